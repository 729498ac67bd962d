// The gate every request head passes before anything else looks at it: raw bytes in, a parsed head
// or a refusal out. It is strict where a lenient reader and a proxy in front of it could disagree
// on where a request ends (request smuggling): then the answer is 400 and the connection closes.
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::http {

struct Head {
    std::string method;
    std::string target;  // origin form ("/path?query"), or "*" of OPTIONS
    bool http_1_0 = false;
    Headers headers;  // names in lower case, values without surrounding blanks
    std::optional<uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;
    bool expect_continue = false;

    bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct GateLimits {
    size_t target_bytes_max = 8 * 1024;
    size_t headers_max = 100;
};

// Where the head ends in what has arrived so far.
enum class HeadScan : uint8_t { incomplete, complete, broken };
struct HeadExtent {
    HeadScan scan = HeadScan::incomplete;
    size_t bytes = 0;  // of the head with its empty line, when complete
};
// Broken: a bare LF or CR, so the end will never come in a form that is accepted.
HeadExtent find_head(std::string_view bytes);

// `head` is one complete head, as found by find_head. One empty line before it is skipped. Errors
// (400 unless said): bad_request_line, bad_header, folded_header, repeated_header, bad_host,
// bad_transfer_encoding, bad_content_length, ambiguous_length, target_too_long (414),
// too_many_headers (431), expectation_failed (417), unsupported_http_version (505).
Result<Head> parse_head(std::string_view head, const GateLimits& limits = {});

}  // namespace rh::http
