// Nouns of counts in sentences. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rh {

// "row" of 1, "rows" of others; "discrepancies", "boxes".
inline std::string plural(uint64_t count, std::string_view noun) {
    std::string text(noun);
    if (count == 1 || text.empty()) {
        return text;
    }
    const bool consonant_y = text.size() > 1 && text.back() == 'y' &&
                             !std::string_view("aeiou").contains(text[text.size() - 2]);
    if (consonant_y) {
        text.pop_back();
        return text + "ies";
    }
    return text + (std::string_view("sx").contains(text.back()) ? "es" : "s");
}

// "1 row", "3 rows".
inline std::string counted(uint64_t count, std::string_view noun) {
    return std::to_string(count) + " " + plural(count, noun);
}

}  // namespace rh
