// HTML pages of the server: one frame, one style sheet, no script, nothing from elsewhere. Pure.
#pragma once

#include <string>
#include <string_view>

#include "http/exchange.h"

namespace rh::api {

std::string html_text(std::string_view text);  // escaped, also for attributes in double quotes

// `body` is HTML. The answer carries a content security policy that allows no script at all.
http::Response page_response(std::string_view title, std::string_view body);

}  // namespace rh::api
