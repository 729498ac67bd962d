// UTF-8 of answers and messages, by RFC 3629. Pure. Files of rounds are judged by csv/ and
// reconcile/, each by its own code.
#pragma once

#include <string>
#include <string_view>

namespace rh {

bool is_valid_utf8(std::string_view text);
// Bytes that are no valid UTF-8 become U+FFFD.
std::string to_valid_utf8(std::string_view text);

}  // namespace rh
