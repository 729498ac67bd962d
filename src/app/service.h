// The whole product in one process: ledger, embedded log, supervised ClickHouse, sink, HTTP API.
// Called by `roundhouse serve`, from the main thread, once.
#pragma once

#include "app/config.h"
#include "base/result.h"

namespace rh::app {

// Serves until SIGTERM or SIGINT and returns when everything is drained and stopped. Prints
// "listening on http://ADDRESS:PORT" on stdout once it is ready.
Result<void> serve(const Config& config);

}  // namespace rh::app
