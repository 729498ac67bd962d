// Small pieces of text that commands print or read. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rh::cli {

std::string with_commas(uint64_t number);  // 2101934 → "2,101,934"
std::string byte_size(uint64_t bytes);     // 1 kB is 1,000 bytes: "224.1 MB"
// One of , ; | or a tab, also written as "tab" or "\t".
std::optional<char> parse_delimiter(std::string_view text);

}  // namespace rh::cli
