#include "http/exchange.h"

#include <algorithm>

namespace rh::http {
namespace {

std::optional<std::string_view> first_of(
    const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view name) {
    const auto found = std::ranges::find(pairs, name, &std::pair<std::string, std::string>::first);
    if (found == pairs.end()) {
        return std::nullopt;
    }
    return found->second;
}

}  // namespace

std::string_view Request::header(std::string_view lower_case_name) const {
    return first_of(headers, lower_case_name).value_or(std::string_view{});
}

bool Request::has_header(std::string_view lower_case_name) const {
    return first_of(headers, lower_case_name).has_value();
}

std::string_view Request::parameter(std::string_view name) const {
    return first_of(path_parameters, name).value_or(std::string_view{});
}

std::optional<std::string_view> Request::query_value(std::string_view name) const {
    return first_of(query, name);
}

std::vector<std::string> Request::query_values(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : query) {
        if (key == name) {
            values.push_back(value);
        }
    }
    return values;
}

}  // namespace rh::http
