#include "model/upload_id.h"

#include <algorithm>

namespace rh::model {
namespace {

constexpr bool hyphen_before(size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string to_string(const UploadId& id) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (size_t i = 0; i < id.bytes.size(); ++i) {
        if (hyphen_before(i)) {
            text += '-';
        }
        text += kHex[id.bytes[i] >> 4];
        text += kHex[id.bytes[i] & 15];
    }
    return text;
}

std::optional<UploadId> parse_upload_id(std::string_view text) {
    if (text.size() != 36) {
        return std::nullopt;
    }
    UploadId id;
    size_t at = 0;
    for (size_t i = 0; i < id.bytes.size(); ++i) {
        if (hyphen_before(i) && text[at++] != '-') {
            return std::nullopt;
        }
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        id.bytes[i] = static_cast<uint8_t>(high * 16 + low);
        at += 2;
    }
    return id;
}

UploadId uuid_v8(const std::array<uint8_t, 32>& sha256) {
    UploadId id;
    std::copy_n(sha256.begin(), id.bytes.size(), id.bytes.begin());
    id.bytes[6] = static_cast<uint8_t>((id.bytes[6] & 0x0f) | 0x80);
    id.bytes[8] = static_cast<uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

}  // namespace rh::model
