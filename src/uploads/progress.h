// How far running uploads are, in memory only, and word of it for those who wait: every change of
// an upload gets the next number, so a reader that names the last one it saw misses nothing that
// matters (changes are folded: only the newest is kept). Numbers go on growing over restarts of the
// program. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "model/upload_id.h"
#include "uploads/upload.h"

namespace rh::uploads {

class ProgressBoard {
  public:
    ProgressBoard();

    struct Change {
        uint64_t number = 0;  // grows with each change of this upload; an event's `id:`
        State state = State::validating;
        Progress progress;
    };

    // Publishes a stage's progress. `state` is what the ledger says; a final state ends the row
    // (it is kept for a while, so that late readers see the end).
    void set(const model::UploadId& id, State state, const Progress& progress);
    // Takes an upload off the board (it was deleted); waiting readers are woken.
    void forget(const model::UploadId& id);
    std::optional<Change> find(const model::UploadId& id) const;
    // The newest change after `last_seen` (0: any). Waits for one at most `timeout`; nullopt when
    // none came, or after stop(). An upload that is not on the board is waited for all the same, so
    // look at the ledger first: nothing more comes for an upload in a final state.
    std::optional<Change> wait_for_change(const model::UploadId& id, uint64_t last_seen,
                                          std::chrono::milliseconds timeout) const;
    // The program ends: all waiters return, now and later.
    void stop();

  private:
    static constexpr size_t kFinishedKeptMax = 1024;
    void drop_oldest_finished();

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::map<model::UploadId, Change> rows_;
    size_t finished_ = 0;
    uint64_t last_number_;
    bool stopped_ = false;
};

}  // namespace rh::uploads
