// What a sender says about a statement, read from the query of POST /v1/reconciliations. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "http/exchange.h"
#include "reconcile/record.h"

namespace rh::api {

std::vector<std::string> statement_parameter_names();

struct AskedStatement {
    reconcile::StatementOptions options;
    reconcile::Scope scope;
};
// Errors (invalid_request): bad_from, bad_to, bad_game_id, bad_provider, bad_timezone,
// bad_delimiter, bad_empty_amount, bad_allow_negative, unsupported_file_encoding.
Result<AskedStatement> read_statement_options(const http::Request& request);

}  // namespace rh::api
