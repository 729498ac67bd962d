#include "http/negotiate.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/trim.h"
#include "http/text.h"

namespace rh::http {
namespace {

// How well one range of Accept ("text/*;q=0.5") fits; the most specific range decides the quality.
struct Fit {
    int specificity = -1;  // 0: */*, 1: type/*, 2: type/subtype
    double quality = 0;
};

Fit fit_of(std::string_view range, std::string_view wanted) {
    const std::string type = media_type(range);
    Fit fit;
    if (type == "*/*" || type == "*") {
        fit.specificity = 0;
    } else if (type.ends_with("/*") &&
               wanted.starts_with(std::string_view(type).substr(0, type.size() - 1))) {
        fit.specificity = 1;
    } else if (type == wanted) {
        fit.specificity = 2;
    } else {
        return fit;
    }
    fit.quality = 1;
    if (const auto q = header_parameter(range, "q")) {
        double quality = 0;
        const auto parsed = std::from_chars(q->data(), q->data() + q->size(), quality);
        fit.quality = parsed.ec == std::errc{} ? std::clamp(quality, 0.0, 1.0) : 0;
    }
    return fit;
}

double quality_of(const std::vector<std::string_view>& ranges, std::string_view wanted) {
    Fit best;
    for (const std::string_view range : ranges) {
        const Fit fit = fit_of(range, wanted);
        if (fit.specificity > best.specificity) {
            best = fit;
        }
    }
    return best.quality;
}

}  // namespace

Result<size_t> negotiate(const Request& request, std::span<const Format> offered) {
    if (const auto name = request.query_value("format")) {
        const auto found = std::ranges::find(offered, *name, &Format::name);
        if (found == offered.end()) {
            std::vector<std::string_view> names;
            std::ranges::transform(offered, std::back_inserter(names), &Format::name);
            return fail(ErrorKind::invalid_request, "unknown_format",
                        fmt::format("format={} is none of {}.", *name, fmt::join(names, ", ")));
        }
        return static_cast<size_t>(found - offered.begin());
    }
    const auto ranges = list_items(request.header("accept"));
    if (ranges.empty()) {
        return 0;
    }
    size_t best = 0;
    double best_quality = 0;
    for (size_t i = 0; i < offered.size(); ++i) {
        const double quality = quality_of(ranges, offered[i].media_type);
        if (quality > best_quality) {
            best = i;
            best_quality = quality;
        }
    }
    if (best_quality > 0) {
        return best;
    }
    std::vector<std::string_view> types;
    std::ranges::transform(offered, std::back_inserter(types), &Format::media_type);
    return fail(ErrorKind::invalid_request, "not_acceptable",
                fmt::format("This answer comes as {}; name one of them in Accept.",
                            fmt::join(types, ", ")));
}

std::optional<unsigned> preferred_wait_s(const Request& request) {
    for (const std::string_view item : list_items(request.header("prefer"))) {
        const std::string_view preference = trim_blanks(item.substr(0, item.find(';')));
        const size_t equals = preference.find('=');
        if (equals == std::string_view::npos ||
            !equal_ignoring_case(trim_blanks(preference.substr(0, equals)), "wait")) {
            continue;
        }
        const std::string_view digits = trim_blanks(preference.substr(equals + 1));
        unsigned seconds = 0;
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
        if (parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size()) {
            return seconds;
        }
    }
    return std::nullopt;
}

Result<uint64_t> number_parameter(const Request& request, std::string_view name, uint64_t standard,
                                  uint64_t least, uint64_t most) {
    const auto text = request.query_value(name);
    if (!text) {
        return standard;
    }
    uint64_t value = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size() || value < least ||
        value > most) {
        return fail(
            ErrorKind::invalid_request, fmt::format("bad_{}", name),
            fmt::format("{}={} is no whole number from {} to {}.", name, *text, least, most));
    }
    return value;
}

Result<bool> boolean_parameter(const Request& request, std::string_view name, bool standard) {
    const auto text = request.query_value(name);
    if (!text) {
        return standard;
    }
    if (*text != "true" && *text != "false") {
        return fail(ErrorKind::invalid_request, fmt::format("bad_{}", name),
                    fmt::format("{}={} is neither true nor false.", name, *text));
    }
    return *text == "true";
}

std::string next_link(const Request& request, std::string_view cursor) {
    std::string target = request.target.substr(0, request.target.find('?'));
    char separator = '?';
    for (const auto& [name, value] : request.query) {
        if (name != "cursor") {
            target +=
                fmt::format("{}{}={}", separator, percent_encode(name), percent_encode(value));
            separator = '&';
        }
    }
    return fmt::format("<{}{}cursor={}>; rel=\"next\"", target, separator, percent_encode(cursor));
}

std::string strong_etag(std::string_view text) { return fmt::format("\"{}\"", text); }

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
    return std::ranges::any_of(list_items(if_none_match), [&](std::string_view candidate) {
        if (candidate.starts_with("W/")) {
            candidate.remove_prefix(2);
        }
        return candidate == "*" || candidate == etag;
    });
}

std::string content_disposition(std::string_view filename) {
    std::string plain;
    for (const char c : filename) {
        const bool harmless = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '%';
        plain += harmless ? c : '_';
    }
    return fmt::format("attachment; filename=\"{}\"; filename*=UTF-8''{}", plain,
                       percent_encode(filename));
}

}  // namespace rh::http
