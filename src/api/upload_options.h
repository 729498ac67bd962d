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

// The sha-256 of a Content-Digest or Repr-Digest header (RFC 9530: `sha-256=:BASE64:, …`); nullopt
// if the header is empty. Error invalid_request bad_digest, also if it names other algorithms only:
// who declares a digest counts on its being checked.
Result<std::optional<receive::Sha256>> read_digest(std::string_view header,
                                                   std::string_view header_name);

// `sha-256=:…:` of a digest in hex.
std::string digest_header(std::string_view sha256_hex);

// Minutes of "+02:00", "-0530", "+02", "Z" or "UTC". In a query the plus may have become a blank.
std::optional<int32_t> parse_timezone(std::string_view text);

}  // namespace rh::api
