// The ClickHouse engine inside this process, out of libchdb. Called in a process of its own by
// `roundhouse clickhouse …`, never in the server: an engine that runs out of memory takes only
// itself along.
//
// Arguments, as the CLI passes them on (arguments[0] is the word after `clickhouse`):
//   server --directory DIR --http-port N --tcp-port N   serves until SIGTERM (used by Server only)
//   local ARGS…                                         everything `clickhouse local` understands
// An answer is kept in memory before it is printed. For one of any size end the query in
//   INTO OUTFILE '/dev/stdout' TRUNCATE FORMAT …
// and it is written as it is made (20 M rows: 0.24 GB in place of 1.1 GB).
// libchdb.so is looked for in ROUNDHOUSE_LIBCHDB, beside the binary, and in ../lib of it.
#pragma once

#include <string>

#include "base/result.h"

namespace rh::clickhouse {

// The path of libchdb.so: `named`, or the environment variable, or where this program looks for it.
// internal clickhouse_not_started if there is no such file to read. It is not loaded.
Result<std::string> find_engine(const std::string& named);

// The engine's answer goes to standard output, its errors to standard error. Returns the exit code:
// 0, 1 when the engine fails or libchdb is missing, 2 for wrong arguments.
int run_engine(int argc, char** argv);

}  // namespace rh::clickhouse
