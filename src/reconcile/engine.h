// ClickHouse as a process of its own for one query over a CSV: this program started again as
// `roundhouse clickhouse local`, with nothing of the server in it. Memory is bounded: what does not
// fit goes to temporary files in `scratch`. Call from a thread that outlives the call.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::reconcile {

struct EngineQuery {
    std::string program;  // this binary
    std::string libchdb;  // path of libchdb.so; empty: where the program looks for it
    std::string scratch;  // an empty directory for its temporary files; absolute
    std::string sql;      // reads the CSV as file('-', …), ends with INTO OUTFILE … FORMAT …
};

using Sink = std::function<Result<void>(std::string_view)>;

// Starts the engine, lets `feed` write the CSV (with its header), and waits for the end. Errors:
// of `feed`; of `check`, which is asked a few times a second while the engine works; internal
// engine_failed with what the engine said.
Result<void> run_engine(const EngineQuery& query,
                        const std::function<Result<void>(const Sink&)>& feed,
                        const std::function<Result<void>()>& check);

}  // namespace rh::reconcile
