#include "api/page_cursor.h"

#include <charconv>

#include <fmt/format.h>

#include "base/base64.h"
#include "receive/sha256.h"

namespace rh::api {
namespace {

constexpr char kFormat = '1';
constexpr size_t kScopeDigits = 16;

std::string digest_of(std::string_view scope) {
    return receive::hex(receive::sha256(scope)).substr(0, kScopeDigits);
}

}  // namespace

std::string encode_page_cursor(std::string_view scope, std::string_view position) {
    return base64url_encode(fmt::format("{}{}{}", kFormat, digest_of(scope), position));
}

Result<std::string> decode_page_cursor(std::string_view scope, std::string_view cursor) {
    const auto text = base64url_decode(cursor);
    if (!text || text->size() <= 1 + kScopeDigits || (*text)[0] != kFormat) {
        return fail(ErrorKind::invalid_request, "bad_cursor",
                    "The cursor is damaged; take next_cursor of the page before as it is.");
    }
    if (text->substr(1, kScopeDigits) != digest_of(scope)) {
        return fail(ErrorKind::invalid_request, "cursor_mismatch",
                    "The cursor belongs to another list or filter; begin again without it.");
    }
    return text->substr(1 + kScopeDigits);
}

Result<uint64_t> decode_offset_cursor(std::string_view scope, std::string_view cursor) {
    RH_ASSIGN(const std::string position, decode_page_cursor(scope, cursor));
    uint64_t offset = 0;
    const auto parsed = std::from_chars(position.data(), position.data() + position.size(), offset);
    if (parsed.ec != std::errc{} || parsed.ptr != position.data() + position.size()) {
        return fail(ErrorKind::invalid_request, "bad_cursor",
                    "The cursor is damaged; take next_cursor of the page before as it is.");
    }
    return offset;
}

}  // namespace rh::api
