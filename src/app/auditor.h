// The audit that made an upload stored, again and again over old uploads in the background: one
// upload each interval, newest first and round again, and with it the row of `uploads` that makes
// it visible. Before each it compares all those rows with the ledger (sink/lost_uploads.h). Of
// stored uploads it only reports (a warning on the upload, metrics, readiness): repairing what
// someone changed is a person's decision (docs/decisions/0010-lost-tables-are-reported.md). One
// thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "clickhouse/store.h"
#include "sink/lost_uploads.h"
#include "sink/versions.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"

namespace rh::app {

class Auditor {
  public:
    // interval_s 0: no background audit; leftovers are still looked for. Rows of uploads that
    // `is_foreign` (may be empty: none) are another process's, and no leftovers.
    Auditor(const clickhouse::Store& store, uploads::Ledger& ledger, const uploads::Layout& layout,
            const sink::Versions& versions, sink::LostUploads& lost, uint64_t interval_s,
            std::function<Result<bool>(const model::UploadId&)> is_foreign);
    ~Auditor();

    void begin();  // ClickHouse may be asked from now on
    // An upload ended without being stored: what it may have left is looked for, soon and again
    // later, since an INSERT may end later.
    void sweep_soon(const model::UploadId& id);
    void request_stop() { thread_.request_stop(); }

    struct Health {
        uint64_t audits = 0;  // since the start
        uint64_t mismatched =
            0;  // uploads whose last audit found other figures than their manifest
    };
    Health health() const;

  private:
    static constexpr unsigned kSweeps = 2;
    void run(const std::stop_token& stop);
    Result<void> audit_next();
    // Rows of uploads that ended without being stored, or were deleted (sink/leftovers.h): looked
    // for at the start, after each round, and when such an upload came up; twice, since an INSERT
    // may end later.
    Result<void> sweep_if_due();
    // Those that sweep_soon() told of, up to the first that cannot be looked at.
    void sweep_ended(const std::stop_token& stop);
    int64_t next_sweep_at() const;  // INT64_MAX: none is due ever
    // Returns after `time` (monotonic, in ms), or when something is due sooner.
    void wait_until(int64_t time, const std::stop_token& stop);
    Result<void> sweep(const model::UploadId& id);
    struct Found {
        std::string wrong;  // sentences; empty if nothing is
        bool lost =
            false;  // it counts in fewer versions than it should, or a rollup has none of it
    };
    Result<Found> audit(const uploads::Upload& upload) const;
    Result<Found> audit_visibility(const uploads::Upload& upload) const;
    Result<Found> audit_visibility_on(size_t shard, const uploads::Upload& upload) const;

    const clickhouse::Store& store_;
    uploads::Ledger& ledger_;
    const uploads::Layout& layout_;
    const sink::Versions& versions_;
    sink::LostUploads& lost_;
    const uint64_t interval_s_;
    const std::function<Result<bool>(const model::UploadId&)> is_foreign_;
    unsigned sweeps_due_ = kSweeps;  // the thread's own, like the next two
    uploads::StateCounts ended_{};   // uploads that ended without being stored, when last looked
    std::pair<int64_t, model::UploadId> last_;  // (created_at, id) audited last
    mutable std::mutex mutex_;                  // guards all below
    std::condition_variable_any wake_;
    bool begun_ = false;
    struct Ended {
        int64_t due_at = 0;  // monotonic
        size_t sweeps = 0;   // that were made
    };
    std::map<model::UploadId, Ended> to_sweep_;
    uint64_t audits_ = 0;
    std::set<model::UploadId> mismatched_;
    std::jthread thread_;
};

}  // namespace rh::app
