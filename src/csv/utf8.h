// UTF-8 (RFC 3629): validity, lengths in characters (code points), and text that is safe to show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rh::csv {

// Bytes of the valid sequence at `p` (1 to 4), or 0 if none begins there. n >= 1 bytes are there.
size_t utf8_sequence(const char* p, size_t n);
bool utf8_valid(std::string_view text);
// Of valid UTF-8.
size_t utf8_characters(std::string_view text);
// U+0000..U+001F and U+007F..U+009F; of valid UTF-8.
bool has_control_character(std::string_view text);
// The first `characters_max` characters of `bytes` as valid UTF-8: what is invalid becomes U+FFFD,
// one for each byte. Replaces what `out` holds and keeps its memory. How many bytes these were.
size_t printable_prefix(std::string_view bytes, size_t characters_max, std::string& out);
// The name that a file gives one of its columns, which may be as long as a row: at most 64
// characters of it, and an ellipsis in place of the rest.
std::string printable_name(std::string_view name);

}  // namespace rh::csv
