// The contract and its documentation, all compiled into the program: /openapi.json
// (schemas/openapi.yaml as JSON), /docs (the same for people) and /problems/{code}
// (docs/reference/problems.md). Pages hold no script and load nothing from elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/router.h"

namespace rh::api {

void add_contract_routes(http::Router& router);

std::string_view openapi_json();

struct ProblemEntry {
    std::string_view section;  // the heading above it
    std::string_view code;
    std::string_view status;  // "404"; "500, 503" for a code of several
    std::string_view meaning, remedy;
};
// The rows of docs/reference/problems.md, in its order.
const std::vector<ProblemEntry>& problem_entries();

}  // namespace rh::api
