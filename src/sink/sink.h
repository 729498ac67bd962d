// Stage 3: the published rows of one upload into ClickHouse, exactly once, whatever is killed in
// between. Nothing here depends on memory of what was inserted: cells are idempotent by key, so the
// sink may start again from any earlier cell, and an upload is stored only when ClickHouse's
// content equals its manifest.
//
//   inserting ──▶ auditing ──equal──▶ committing ──▶ stored
//       ▲             │ differs
//       │             ├─ 1st time: delete its rows, insert again from the log
//       └─────────────┤─ 2nd time: republish the log from the original, then the same
//                     └─ 3rd time: failed, with the figures
//
// Any error of ClickHouse or of the disk is waited out (backoff up to kRetryMsMax) and tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/result.h"
#include "clickhouse/client.h"
#include "log/embedded_log.h"
#include "sink/versions.h"
#include "uploads/ledger.h"

namespace rh::sink {

inline constexpr int64_t kRetryMsMax = 10'000;
// 262,144 rows a block: larger ones are hardly faster, and a few of them stay small in memory.
inline constexpr size_t kCellsPerBlock = 4;
inline constexpr unsigned kInserterThreads = 2;  // blocks in flight
// 6.3 M rows between two syncs of the file system.
inline constexpr size_t kCellsPerCheckpoint = 96;

enum class Outcome : uint8_t { stored, failed, cancelled, stopped };

struct SinkContext {
    log::EmbeddedLog& log;
    const clickhouse::Client& owner;
    uploads::Ledger& ledger;
    Versions& versions;
    std::function<Result<void>()> make_durable;                     // syncs ClickHouse's files
    std::function<Result<void>(const model::UploadId&)> republish;  // rebuilds the log, next epoch
    std::function<void(const uploads::Upload&, uint64_t)> on_progress;  // rows in ClickHouse so far
    std::function<bool(const model::UploadId&)> is_cancelled;
    std::function<void(const Error&)> on_retry;  // for metrics and readiness
};

class Sink {
  public:
    explicit Sink(SinkContext context) : context_(std::move(context)) {}
    // Stores one upload in state storing. Blocks until it ends or `stop` is requested.
    Outcome store(const model::UploadId& id, const std::stop_token& stop);

  private:
    enum class Step : uint8_t { inserting, auditing, committing, replaying, republishing };
    struct Run;
    Result<std::optional<Outcome>> step(Run& run);
    Result<void> insert_cells(Run& run);
    Result<void> audit(Run& run);
    Result<void> warn_of_overlaps(Run& run);
    Result<Outcome> give_up(Run& run, uploads::State state);

    SinkContext context_;
};

}  // namespace rh::sink
