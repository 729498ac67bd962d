#include "base/base64.h"

#include <cstdint>

namespace rh {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes, std::string_view alphabet) {
    std::string text;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        count += 8;
        while (count >= 6) {
            count -= 6;
            text += alphabet[(bits >> count) & 63];
        }
    }
    if (count > 0) {
        text += alphabet[(bits << (6 - count)) & 63];
    }
    return text;
}

std::optional<std::string> decode(std::string_view text, std::string_view alphabet) {
    std::string bytes;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const size_t value = c == '\0' ? std::string_view::npos : alphabet.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6) | static_cast<uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>((bits >> count) & 255);
        }
    }
    const bool leftover = (bits & ((1U << count) - 1)) != 0;
    return text.size() % 4 == 1 || leftover ? std::nullopt : std::optional(bytes);
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text = encode(bytes, kStandard);
    while (text.size() % 4 != 0) {
        text += '=';
    }
    return text;
}

std::string base64url_encode(std::string_view bytes) { return encode(bytes, kUrlSafe); }

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
        text.remove_suffix(1);
    }
    return decode(text, kStandard);
}

std::optional<std::string> base64url_decode(std::string_view text) {
    return decode(text, kUrlSafe);
}

}  // namespace rh
