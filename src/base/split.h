// Text in parts, which point into it.
#pragma once

#include <string_view>
#include <vector>

namespace rh {

// Of "a,,b" three parts, of an empty text one, which is empty.
inline std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

// Lines without their ends; the last one need not have one. Of an empty text none.
inline std::vector<std::string_view> lines_of(std::string_view text) {
    auto lines = split(text, '\n');
    if (lines.back().empty()) {
        lines.pop_back();
    }
    return lines;
}

}  // namespace rh
