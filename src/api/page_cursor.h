// Opaque cursors of pages: what the page is of, and where the next one begins. URL-safe text. A
// cursor of another list, filter or upload is refused. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::api {

// `scope` names list and filter; `position` is the list's own word for a place in it.
std::string encode_page_cursor(std::string_view scope, std::string_view position);
// The position. Errors (invalid_request): bad_cursor; cursor_mismatch (of another scope).
Result<std::string> decode_page_cursor(std::string_view scope, std::string_view cursor);
// The position as a byte offset. Errors: the same.
Result<uint64_t> decode_offset_cursor(std::string_view scope, std::string_view cursor);

}  // namespace rh::api
