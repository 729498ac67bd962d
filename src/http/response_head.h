// The status line and headers of an answer, as bytes. Pure, but for the date.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace rh::http {

struct Framing {
    bool close = false;     // Connection: close
    bool http_1_0 = false;  // keep-alive must be said
    bool chunked = false;   // else content_length, or neither (204, 304, streams in 1.0)
    std::optional<uint64_t> content_length = std::nullopt;
};

// Control characters in values become blanks, so nothing can add a header line of its own.
std::string response_head(int status, std::string_view content_type, const Headers& headers,
                          const Framing& framing, std::string_view trace_id);
std::string_view reason_phrase(int status);
bool has_no_body(int status);  // 1xx, 204, 304

}  // namespace rh::http
