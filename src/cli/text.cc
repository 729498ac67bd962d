#include "cli/text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/plural.h"

namespace rh::cli {

std::string with_commas(uint64_t number) {
    std::string digits = std::to_string(number);
    for (size_t at = digits.size(); at > 3; at -= 3) {
        digits.insert(at - 3, 1, ',');
    }
    return digits;
}

std::string counted(uint64_t number, std::string_view noun) {
    return with_commas(number) + " " + plural(number, noun);
}

std::string byte_size(uint64_t bytes) {
    constexpr std::array<std::string_view, 5> kUnits = {"kB", "MB", "GB", "TB", "PB"};
    if (bytes < 1000) {
        return fmt::format("{} bytes", bytes);
    }
    double value = static_cast<double>(bytes) / 1000;
    size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) {
        value /= 1000;
    }
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::optional<char> parse_delimiter(std::string_view text) {
    if (text == "tab" || text == "\\t") {
        return '\t';
    }
    if (text.size() == 1 && std::string_view(",;|\t").contains(text.front())) {
        return text.front();
    }
    return std::nullopt;
}

std::optional<uint64_t> parse_count(std::string_view text) {
    uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && count <= INT64_MAX ? std::optional(count) : std::nullopt;
}

std::string aligned_amount(std::string_view amount, size_t width) {
    constexpr size_t kBehindPoint = 7;  // the point and six digits
    const size_t point = std::min(amount.find('.'), amount.size());
    return fmt::format("{:>{}}{:<{}}", amount.substr(0, point), width - kBehindPoint,
                       amount.substr(point), kBehindPoint);
}

}  // namespace rh::cli
