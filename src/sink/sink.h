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
// With Peers two more ways lead there: to committing from anywhere, once another process has stored
// the upload (and from a repair here only after its rows are inserted again); and back to
// inserting, where a repair or a commit finds that another process owns the rows by now.
//
// The cells of a file that is published while nothing else is stored go into ClickHouse as they are
// judged (sink/ahead.h): begin_ahead(), then store() or discard_ahead() of the same upload.
//
// A log that is damaged or gone is republished at once, and counts as such a time. The epoch of the
// log remembers republishings over restarts. Any error of ClickHouse or of the disk is waited out
// (backoff up to kRetryMsMax) and tried again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/result.h"
#include "clickhouse/store.h"
#include "log/log.h"
#include "sink/ahead.h"
#include "sink/audit.h"
#include "sink/versions.h"
#include "uploads/ledger.h"

namespace rh::sink {

inline constexpr int64_t kRetryMsMax = 10'000;
// 6.3 M rows between two syncs of the file system.
inline constexpr size_t kCellsPerCheckpoint = 96;

enum class Outcome : uint8_t {
    stored,
    failed,
    cancelled,    // or deleted, or stored before: there is nothing to do
    unpublished,  // republishing it met an obstacle: stage 2 must take it up again
    stopped,
};

// The processes that share a log, this one among them, and whose consumer group brings its rows
// into ClickHouse (sink/group_sink.h). Several may have been sent the same file; one owns its rows,
// and only that one audits, repairs and removes them. Any thread.
class Peers {
  public:
    virtual ~Peers() = default;
    // Whether all rows are in ClickHouse, as far as the group knows. Error log_not_published if
    // nobody publishes them any more.
    virtual Result<bool> have_taken(const model::UploadId& id) = 0;
    // Also if nobody owns them.
    virtual bool is_ours(const model::UploadId& id) const = 0;
    // Whether all rows are in the log, and this process owns them and has done so since tenure()
    // was this number: nobody else may have stored or removed them.
    virtual Result<bool> has_owned(const model::UploadId& id, uint64_t tenure) = 0;
    virtual uint64_t tenure(const model::UploadId& id) const = 0;
    // Its name; empty if nobody owns them.
    virtual std::string owner(const model::UploadId& id) const = 0;
    // From now on this process owns its rows, or what there is of them, if owner_mark() is still
    // `mark`; else error conflict upload_taken_over.
    virtual Result<void> take_over(const model::UploadId& id, const std::string& mark) = 0;
    // Another one each time that somebody has taken them over or said that he is at work.
    virtual std::string owner_mark(const model::UploadId& id) const = 0;
    // Tells the others, if this process owns the rows, so that nobody takes them over.
    virtual Result<void> say_at_work(const model::UploadId& id) = 0;
    // Why the log that they share cannot be reached now; nothing: it can be.
    virtual std::optional<Error> trouble() const = 0;
    // The ledger has news that the others shall hear soon.
    virtual void tell() = 0;
    // An upload that is in no ledger but that of another process, as far as it is known.
    virtual std::optional<uploads::Upload> find_elsewhere(const model::UploadId& id) const = 0;
};

struct SinkContext {
    log::Log& log;
    const clickhouse::Store& store;
    uploads::Ledger& ledger;
    Versions& versions;
    Peers* peers = nullptr;  // null: this sink inserts all rows itself
    // Rebuilds the log from the original under the next epoch. An Error may leave the upload in
    // state validating.
    std::function<Result<void>(const model::UploadId&)> republish;
    // Held while an upload ends here, so that the same file sent again begins after that.
    std::function<std::unique_lock<std::mutex>(const model::UploadId&)> lock;
    std::function<void(const uploads::Upload&, uint64_t)> on_progress;  // rows in ClickHouse so far
    std::function<bool(const model::UploadId&)> is_cancelled;
    std::function<void(const Error&)> on_retry;  // for metrics and readiness
};

class Sink {
  public:
    explicit Sink(SinkContext context) : context_(std::move(context)) {}
    // Stores one upload in state storing. Blocks until it ends or `stop` is requested.
    Outcome store(const model::UploadId& id, const std::stop_token& stop);

    // Any thread, while no other upload is ahead or being stored.
    std::shared_ptr<Ahead> begin_ahead(const model::UploadId& id);
    // The upload will not be stored: takes its rows out of ClickHouse again, if it was ahead.
    // Blocks until that is done or `stop` is requested; what a crash leaves counts nowhere.
    void discard_ahead(const model::UploadId& id, const std::stop_token& stop);

  private:
    enum class Step : uint8_t {
        inserting,
        auditing,
        committing,
        replaying,
        republishing,
        failing,
    };
    struct Run;
    // A moment, as far as removals and owners of an upload's rows go.
    struct Mark {
        int64_t withdrawn_at = -1;
        uint64_t tenure = 0;
        bool operator==(const Mark&) const = default;
    };
    Result<std::optional<Outcome>> find_and_step(const model::UploadId& id, Run& run);
    Result<std::optional<Outcome>> step(Run& run);
    Result<void> empty(Run& run);
    static Step next_repair(Run& run);
    Result<void> insert_cells(Run& run);
    bool is_anothers(const model::UploadId& id) const;
    std::jthread keep_saying_at_work(const model::UploadId& id,
                                     const std::atomic<int64_t>& failing_since) const;
    Result<void> withdraw(Run& run) const;
    Mark mark(const model::UploadId& id) const;
    Result<bool> may_commit(const Run& run) const;
    Result<std::vector<TableTotals>> count(Run& run);
    Result<void> check_may_remove(const model::UploadId& id) const;
    Result<bool> wait_for_others(Run& run);
    Result<void> take_over(const model::UploadId& id, const std::string& mark) const;
    Result<bool> finish_ahead(Run& run);
    Result<void> finish_inserting(Run& run, uint64_t next_cell);
    std::shared_ptr<Ahead> take_ahead(const model::UploadId& id);
    Result<void> audit(Run& run);
    Result<void> warn_of_overlaps(Run& run);
    Result<Outcome> give_up(Run& run, uploads::State state);
    Result<Outcome> fail_for(Run& run, const Error& error);

    SinkContext context_;
    std::mutex mutex_;
    std::shared_ptr<Ahead> ahead_;  // guarded by mutex_
};

}  // namespace rh::sink
