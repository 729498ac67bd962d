// From a head that passed the gate to the Request a handler sees: path and query decoded, trace id
// read or made. Pure, but for random trace ids.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"
#include "http/header_gate.h"

namespace rh::http {

// Errors: invalid_request bad_encoding (a bad %XX, or bytes that are no valid UTF-8).
Result<Request> build_request(Head head, std::string peer);
// Of the traceparent header (W3C trace context, version 00 or later), else random: 32 hex digits.
std::string trace_id_of(std::string_view traceparent);
// Web pages of other origins may not change anything, and without keys only loopback names may be
// asked for, which is looked at for other names alone. Errors: forbidden cross_origin, forbidden
// foreign_host.
Result<void> check_origin(const Request& request, const std::function<bool()>& loopback_hosts_only,
                          std::span<const std::string> cors_origins);

}  // namespace rh::http
