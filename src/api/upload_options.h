// What a sender asks for, read from query and headers of POST /v1/uploads. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "http/exchange.h"
#include "receive/receiver.h"

namespace rh::api {

// The query parameters of POST /v1/uploads.
std::vector<std::string> upload_parameter_names();

// All but content_encoding, which depends on the form of the body. Errors (invalid_request):
// unsupported_file_encoding, bad_delimiter, bad_timezone, bad_empty_amount, bad_on_error,
// bad_max_errors, bad_allow_duplicate, bad_replaces, bad_dry_run, bad_allow_negative,
// conflicting_parameters, bad_digest.
Result<receive::Options> read_upload_options(const http::Request& request);

// Minutes of "+02:00", "-0530", "+02", "Z" or "UTC". In a query the plus may have become a blank.
std::optional<int32_t> parse_timezone(std::string_view text);

}  // namespace rh::api
