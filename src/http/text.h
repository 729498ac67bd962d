// Small questions about text of HTTP: tokens, lists, percent-encoding, UTF-8. Pure, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rh::http {

bool is_alphanumeric(char c);                 // ASCII
bool is_token_character(char c);              // tchar of RFC 9110
std::string to_lower(std::string_view text);  // ASCII
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Items of a comma-separated header, trimmed, empty ones left out; commas in "quotes" do not part.
std::vector<std::string_view> list_items(std::string_view value);
bool has_list_item(std::string_view value, std::string_view item);  // ignoring case

// %XX to bytes; nullopt for a bad escape. `plus_is_blank` as in queries of HTML forms.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank);
// Everything but unreserved characters as %XX.
std::string percent_encode(std::string_view text);

// A header parameter such as filename in `form-data; name="f"; filename="a.csv"`; quoted strings
// unescaped. `name*` (RFC 8187, UTF-8 only) wins over `name`.
std::optional<std::string> header_parameter(std::string_view value, std::string_view name);
// The part before the first `;`, trimmed, in lower case.
std::string media_type(std::string_view value);

// A file name a client sent, made harmless: no directories, no control characters, valid UTF-8, at
// most 255 bytes; empty if nothing is left.
std::string safe_filename(std::string_view name);

}  // namespace rh::http
