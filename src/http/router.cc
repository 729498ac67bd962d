#include "http/router.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rh::http {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::optional<Parameters> match_pattern(std::string_view pattern, std::string_view path) {
    Parameters parameters;
    while (!pattern.empty() && !path.empty()) {
        const size_t pattern_end = pattern.find('/', 1);
        const size_t path_end = path.find('/', 1);
        const std::string_view wanted = pattern.substr(1, pattern_end - 1);
        const std::string_view given = path.substr(1, path_end - 1);
        if (wanted.starts_with('{')) {
            if (given.empty()) {
                return std::nullopt;
            }
            parameters.emplace_back(wanted.substr(1, wanted.size() - 2), given);
        } else if (wanted != given) {
            return std::nullopt;
        }
        pattern = pattern_end == std::string_view::npos ? "" : pattern.substr(pattern_end);
        path = path_end == std::string_view::npos ? "" : path.substr(path_end);
    }
    if (!pattern.empty() || !path.empty()) {
        return std::nullopt;
    }
    return parameters;
}

// Literal patterns before those with {parameters}.
bool is_literal(const Route& route) { return !route.pattern.contains('{'); }

}  // namespace

void Router::add(Route route) {
    const auto end_of_literals = std::ranges::find_if_not(routes_, is_literal);
    routes_.insert(is_literal(route) ? end_of_literals : routes_.end(), std::move(route));
}

Result<Router::Match> Router::match(std::string_view method, std::string_view path) const {
    const std::string_view wanted = method == "HEAD" ? "GET" : method;
    for (const Route& route : routes_) {
        if (route.method != wanted) {
            continue;
        }
        if (auto parameters = match_pattern(route.pattern, path)) {
            return Match{&route, std::move(*parameters)};
        }
    }
    const auto allowed = allowed_methods(path);
    if (allowed.empty()) {
        return fail(ErrorKind::not_found, "unknown_path",
                    "There is nothing at this path; /docs lists what there is.");
    }
    return fail(ErrorKind::invalid_request, "method_not_allowed",
                fmt::format("{} is not possible here; this path takes {}.", method,
                            fmt::join(allowed, ", ")));
}

std::vector<std::string> Router::allowed_methods(std::string_view path) const {
    std::vector<std::string> methods;
    for (const Route& route : routes_) {
        if (match_pattern(route.pattern, path) &&
            std::ranges::find(methods, route.method) == methods.end()) {
            methods.push_back(route.method);
            if (route.method == "GET") {
                methods.emplace_back("HEAD");
            }
        }
    }
    if (!methods.empty()) {
        methods.emplace_back("OPTIONS");
    }
    return methods;
}

Result<void> check_query(const Route& route, const Request& request) {
    std::vector<std::string_view> names;
    names.reserve(route.query.size());
    for (const std::string_view allowed : route.query) {
        names.push_back(allowed.ends_with('*') ? allowed.substr(0, allowed.size() - 1) : allowed);
    }
    for (const auto& [name, value] : request.query) {
        const auto found = std::ranges::find(names, name);
        if (found == names.end()) {
            return fail(ErrorKind::invalid_request, "unknown_parameter",
                        names.empty()
                            ? fmt::format("Unknown query parameter {}; this path takes none.", name)
                            : fmt::format("Unknown query parameter {}; allowed are {}.", name,
                                          fmt::join(names, ", ")));
        }
        const auto index = static_cast<size_t>(found - names.begin());
        const auto count =
            std::ranges::count(request.query, name, &std::pair<std::string, std::string>::first);
        if (count > 1 && !route.query[index].ends_with('*')) {
            return fail(ErrorKind::invalid_request, "repeated_parameter",
                        fmt::format("The query parameter {} was given {} times; give it once.",
                                    name, count));
        }
    }
    return {};
}

}  // namespace rh::http
