// The OpenAPI document as a page for people. Pure.
#pragma once

#include <string>
#include <string_view>

namespace rh::api {

// HTML of all calls with parameters and answers. `openapi_json` must be a valid document of ours:
// anything else is a broken build.
std::string docs_body(std::string_view openapi_json);

}  // namespace rh::api
