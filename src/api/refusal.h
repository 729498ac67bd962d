// Problems of a POST, with the headers that say what would have been taken. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::api {

// http::problem, with Accept-Post on unsupported_media_type and Accept-Encoding (RFC 7694) on
// unsupported_encoding.
http::Response refusal(const Error& error, const http::Request& request,
                       std::string_view accept_post);

}  // namespace rh::api
