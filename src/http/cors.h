// Pages of other origins: none may change anything or read an answer, but those of listed origins
// (the CORS protocol of the Fetch standard). Off without a list; there is no "*", and cookies are
// never part of it: a page sends its API key as any client does. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"

namespace rh::http {

// "https://app.example" or "http://localhost:5173", as browsers write Origin: no path, lower case,
// no default port.
bool is_origin(std::string_view text);

// Whether the request's Origin is one of `origins`.
bool comes_from(const Request& request, std::span<const std::string> origins);

// What every answer carries; nothing without a list.
Headers cors_headers(const Request& request, std::span<const std::string> origins);

// What the answer to a preflight (OPTIONS with Access-Control-Request-Method) carries on top.
Headers preflight_headers(const Request& request, std::span<const std::string> origins,
                          const std::vector<std::string>& methods);

}  // namespace rh::http
