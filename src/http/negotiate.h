// What a client wants of an answer, read from its headers and query, and the headers that say what
// it got. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::http {

struct Format {
    std::string_view name;        // of ?format=
    std::string_view media_type;  // of Accept and Content-Type
};
inline constexpr Format kJson{"json", "application/json"};
inline constexpr Format kCsv{"csv", "text/csv"};
inline constexpr Format kNdjson{"ndjson", "application/x-ndjson"};

// The index in `offered` (the first is the default) of what ?format= names, else of what Accept
// likes best. Errors: invalid_request unknown_format; invalid_request not_acceptable (406). Both
// list the choices.
Result<size_t> negotiate(const Request& request, std::span<const Format> offered);

// N of `Prefer: wait=N` (RFC 7240); nullopt if it was not sent or is no number.
std::optional<unsigned> preferred_wait_s(const Request& request);

// ?name=… as a number in [least, most]. Error invalid_request bad_NAME (bad_limit …).
Result<uint64_t> number_parameter(const Request& request, std::string_view name, uint64_t standard,
                                  uint64_t least, uint64_t most);
// ?name=true or false. Error invalid_request bad_NAME (bad_limit …).
Result<bool> boolean_parameter(const Request& request, std::string_view name, bool standard);

// `<TARGET with cursor=…>; rel="next"` (RFC 8288): the same request, one page on.
std::string next_link(const Request& request, std::string_view cursor);

// "\"text\"", and whether an If-None-Match header names it (weak comparison, * too).
std::string strong_etag(std::string_view text);
bool matches_etag(std::string_view if_none_match, std::string_view etag);

// `attachment; filename="…"; filename*=UTF-8''…`
std::string content_disposition(std::string_view filename);

}  // namespace rh::http
