// RFC 9457 problem details: one exhaustive mapping from Error to the answer a client gets. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::http {

// The status of an error: by its kind, and by its code where HTTP has a status of its own for it:
// method_not_allowed (405), not_acceptable (406), request_timeout (408), target_too_long (414),
// expectation_failed (417), header_too_large and too_many_headers (431), unsupported_http_version
// (505).
int status_of(const Error& error);
// "Body too large" of body_too_large.
std::string title_of(std::string_view code);
// {"type":"/problems/CODE","title","status","detail","instance","code","trace_id"}; 503 and 429
// carry Retry-After, 401 carries WWW-Authenticate.
Response problem(const Error& error, std::string_view instance, std::string_view trace_id);

}  // namespace rh::http
