// From "the server listens" to "ClickHouse may be asked". Uploads are received and published all
// the while; what needs ClickHouse asks check() first, or waits until on_ready is called.
//
//   starting ──answers──▶ migrating ──▶ connecting ──▶ recovering ──▶ ready
//      ▲                      │           (Kafka)            │
//      ├──it died, is full────┴──────────────┴───────────────┤
//      └─it never will answer, or refuses────────────────────┴──▶ failed (run() returns the error)
//
// run() is called by one thread (the sink's, before it stores anything); the others by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/upload_id.h"
#include "sink/lost_uploads.h"
#include "sink/versions.h"

namespace rh::app {

class BringUp {
  public:
    enum class Stage : uint8_t { starting, migrating, connecting, recovering, ready, failed };

    // How to reach a log that is elsewhere; empty for one that is not.
    struct Remote {
        std::function<Result<void>()> connect;  // makes sure that the log may be used
        std::function<std::string()> trouble;   // what keeps connect() waiting; empty: nothing
    };

    // All outlive the BringUp. on_ready is called once, by run().
    BringUp(const clickhouse::Store& store, sink::Versions& versions, sink::LostUploads& lost,
            Remote log, std::function<void()> on_ready)
        : store_(store),
          versions_(versions),
          lost_(lost),
          log_(std::move(log)),
          on_ready_(std::move(on_ready)) {}

    // Waits for ClickHouse, applies queries/, connects the log, settles what a crash left of the
    // versions, and looks which stored uploads ClickHouse has lost; the upload that holds the next
    // one, if any, must be stored before all others. What may pass is waited out. An Error is for
    // good, but for unavailable stopping, when `stop` was requested.
    Result<std::optional<model::UploadId>> run(const std::stop_token& stop);

    // Nothing once it is ready; until then Error unavailable clickhouse_unavailable, or
    // shard_unavailable with the names of those that do not answer (retry).
    Result<void> check() const;
    Stage stage() const { return stage_; }
    // "clickhouse starting: …", and why the last attempt failed; empty once it is ready.
    std::string reason() const;

  private:
    Result<std::optional<model::UploadId>> attempt(const std::stop_token& stop);

    const clickhouse::Store& store_;
    sink::Versions& versions_;
    sink::LostUploads& lost_;
    const Remote log_;
    const std::function<void()> on_ready_;
    std::atomic<Stage> stage_ = Stage::starting;
    mutable std::mutex mutex_;
    std::string clickhouse_failure_;  // guarded by mutex_, as the next; the last one
    std::string kafka_failure_;       // of log_.connect
};

}  // namespace rh::app
