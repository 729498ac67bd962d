// The whole product in one process: ledger, embedded log, supervised ClickHouse, sink, HTTP API.
// Called by `roundhouse serve`, from the main thread, once.
#pragma once

#include "app/config.h"
#include "base/result.h"

namespace rh::app {

// Serves until SIGTERM or SIGINT and returns when everything is drained and stopped. Prints
// "listening on http://ADDRESS:PORT" on stdout as soon as it takes uploads; /readyz says when
// ClickHouse is there too. An Error that comes later ends it in the same way: ClickHouse that can
// never be brought up.
Result<void> serve(const Config& config);

}  // namespace rh::app
