// Text of files, clients and servers as it may be shown to people: on a terminal, where control
// characters would move the cursor, change what stands there or make a line that nobody wrote, and
// in lines of the log. Pure.
#pragma once

#include <string>
#include <string_view>

namespace rh {

// Control characters (C0, DEL, U+0080 to U+009F) and bytes that are no UTF-8 as \n, \x1b, \u009b.
// All else stays, backslashes too: what is harmless stays what it is.
std::string harmless(std::string_view text);

// harmless() for a message that has lines of its own: a line break stays where two blanks follow,
// which is how they begin.
std::string harmless_lines(std::string_view text);

// A value behind "key=": in quotes if it is empty or has blanks, quotes, '=', backslashes or what
// harmless() changes, so that no value looks like another key.
std::string quoted_if_needed(std::string_view text);

}  // namespace rh
