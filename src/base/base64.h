// Base64 (RFC 4648): the standard alphabet for digests, the URL-safe one without padding for
// cursors. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rh {

std::string base64_encode(std::string_view bytes);     // padded
std::string base64url_encode(std::string_view bytes);  // not padded
// Strict: nullopt for a wrong character, length or padding, or left-over bits that are not zero.
std::optional<std::string> base64_decode(std::string_view text);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace rh
