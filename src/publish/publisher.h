// Stage 2 of the data's way: an upload's original → validated rows in the log, rejects in the
// reject file, counts and totals in the ledger.
//
//   validating ── all rows judged, log sealed ──▶ publishing ── log published ──▶ storing
//       └─▶ refused (on_error=abort, max_errors, not one good row) | checked (dry run) | failed
//
// Everything is computed from the original, and nothing is visible before the log's one rename: so
// a run that was cut off anywhere is simply run again, and gives the same result. run() blocks its
// thread (a worker's); several uploads may run at once, one upload never twice at once.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"
#include "csv/reader.h"
#include "log/log.h"
#include "model/game_hour.h"
#include "model/reject.h"
#include "publish/validation.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"
#include "uploads/progress.h"
#include "uploads/upload.h"

namespace rh::publish {

// What knows ClickHouse does for a run; each may be empty.
struct StoreSide {
    // Asked once, when rows are about to be judged, unless their number may still refuse the file:
    // what it returns then gets each batch of accepted rows once it is in the log, from a thread
    // of the run's, while the rest is judged. The log is not published then, and may never be.
    std::function<TakeRows(const uploads::Upload&)> offer;
    // Asked at the end of a dry run: warnings of stored uploads that have rows in these games and
    // hours, which are ascending.
    std::function<Result<std::vector<uploads::Warning>>(const uploads::Upload&,
                                                        std::span<const model::GameHour>)>
        overlaps;
};

class Publisher {
  public:
    // References must outlive the publisher. With less than `free_bytes_min` free on the disk
    // nothing is judged: the rows in the log, and the list of the refused ones, may be many times
    // as large as the file that was received.
    Publisher(const uploads::Layout& layout, uploads::Ledger& ledger, uploads::ProgressBoard& board,
              log::Log& log, uint64_t free_bytes_min)
        : layout_(layout),
          ledger_(ledger),
          board_(board),
          log_(log),
          free_bytes_min_(free_bytes_min) {}

    // Takes the upload as far as this stage can: the answer is its state then (storing: the sink's
    // turn). In a state after publishing it does nothing. An Error means that the upload stays as
    // it is and run() may be called again (storage_full, unavailable stopping); what can never
    // succeed makes the upload `failed` instead and is no Error. If the upload waits for its
    // earlier, cancelled run to end, so does this call.
    Result<uploads::State> run(const model::UploadId& id, const StoreSide& store = {});

    // validating or publishing → cancelled; a run of it ends soon, without a further change. Its
    // rows in the log are removed when its run ends, or now. Errors: not_found upload_not_found;
    // conflict upload_finished (it names the state; a stored upload is voided, not cancelled),
    // upload_changed (storing: its rows may be in ClickHouse, so it is the sink's to end).
    Result<uploads::Upload> cancel(const model::UploadId& id);

    // At start: removes from the log what belongs to no upload that was going to be stored (a crash
    // came between a cancel or a DELETE and the end of a run).
    Result<void> remove_orphans();

    // The program ends: running and later runs return unavailable stopping, and go on at the next
    // start.
    void stop();

    // Since the start, for metrics. Dry runs and refused files count too; what is judged again,
    // counts again.
    uint64_t rows_validated() const { return rows_validated_; }
    // Of files that were judged to their end: their rows.rejected, and their faults by code.
    uint64_t rows_rejected() const { return rows_rejected_; }
    uint64_t faults(model::RejectCode code) const { return faults_[static_cast<size_t>(code)]; }

  private:
    static constexpr int64_t kProgressIntervalMs = 100;
    struct Run {
        const StoreSide& store;
        std::atomic<bool> cancelled = false;
    };
    class RunScope;
    Result<uploads::State> run_steps(uploads::Upload& upload, Run& run);
    Result<void> validate_and_seal(uploads::Upload& upload, Run& run);
    Result<void> publish_sealed(uploads::Upload& upload, Run& run);
    void count_rejects(const csv::Report& report);
    static void warn_of_overlaps(GameHours& game_hours, const Run& run, uploads::Upload& upload);
    // Writes the upload with its new state, unless the run was cancelled meanwhile.
    Result<void> change(uploads::Upload& upload, uploads::State to, Run& run);
    Result<void> keep_going(const Run& run) const;

    const uploads::Layout& layout_;
    uploads::Ledger& ledger_;
    uploads::ProgressBoard& board_;
    log::Log& log_;
    const uint64_t free_bytes_min_;
    std::atomic<bool> stopping_ = false;
    std::atomic<uint64_t> rows_validated_ = 0;
    std::atomic<uint64_t> rows_rejected_ = 0;
    std::array<std::atomic<uint64_t>, model::kRejectCodeNames.size()> faults_{};
    std::mutex mutex_;  // guards runs_, and orders cancel() against change()
    std::condition_variable run_ended_;
    std::map<model::UploadId, Run*> runs_;  // at most one of an upload
};

}  // namespace rh::publish
