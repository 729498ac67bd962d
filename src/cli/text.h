// Small pieces of text that commands print or read. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rh::cli {

std::string with_commas(uint64_t number);  // 2101934 → "2,101,934"
// "1 round", "2,101,934 rounds".
std::string counted(uint64_t number, std::string_view noun);
std::string byte_size(uint64_t bytes);  // 1 kB is 1,000 bytes: "224.1 MB"
// One of , ; | or a tab, also written as "tab" or "\t".
std::optional<char> parse_delimiter(std::string_view text);
// Digits and nothing else, at most INT64_MAX.
std::optional<uint64_t> parse_count(std::string_view text);

// "39115.00182" in `width` characters, 6 of them for what is behind the point, so that the points
// of a column stand below each other. Blanks at the end stay.
std::string aligned_amount(std::string_view amount, size_t width);

}  // namespace rh::cli
