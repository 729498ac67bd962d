// An upload's id: a UUID version 8 (RFC 9562) made of SHA-256 over the file's hash, the options
// that change rows, the version of the rules and the label of a deliberate duplicate. The same file
// with the same options is the same upload, whoever sends it and however often.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rh::model {

struct UploadId {
    std::array<uint8_t, 16> bytes{};
    auto operator<=>(const UploadId&) const = default;
};

std::string to_string(const UploadId& id);                       // lower case, with hyphens
std::optional<UploadId> parse_upload_id(std::string_view text);  // accepts upper case too
UploadId uuid_v8(const std::array<uint8_t, 32>& sha256);         // the first 122 bits that are free

}  // namespace rh::model
