// The opaque cursor of a page: where the next one goes on, at which version, and a fingerprint of
// the query it belongs to. Base64url text; its layout may change between releases and carries its
// own format number. A cursor is no secret and no permission: a forged one can only ask for
// another page of the same data. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aggregates/query.h"
#include "base/result.h"

namespace rh::aggregates {

struct Cursor {
    uint64_t version = 0;
    Key after;  // the last row of the page before
    bool operator==(const Cursor&) const = default;
};

std::string encode_cursor(const Cursor& cursor, const Query& query);

// Errors: invalid_request bad_cursor (damaged, or made by a later release), cursor_mismatch (made
// for another query: page size and format may change between pages, nothing else).
Result<Cursor> decode_cursor(std::string_view text, const Query& query);

}  // namespace rh::aggregates
