// UTF-8 of answers and messages, by RFC 3629. Pure. Files of rounds are judged by csv/ and
// reconcile/, each by its own code.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rh {

// Bytes of the valid sequence that text, which is not empty, begins with; 0 if with none.
size_t utf8_sequence_length(std::string_view text);
// Whether it begins with U+0080 to U+009F, in two bytes: terminals obey them, as they do DEL.
constexpr bool begins_with_c1(std::string_view text) {
    return text.size() > 1 && static_cast<unsigned char>(text[0]) == 0xc2 &&
           static_cast<unsigned char>(text[1]) < 0xa0;
}
bool is_valid_utf8(std::string_view text);
// Bytes that are no valid UTF-8 become U+FFFD.
std::string to_valid_utf8(std::string_view text);

}  // namespace rh
