// Chunks of one file judged on several threads, their results in the order of the file. The thread
// that gives chunks judges too, when it would have to wait. Used by one thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "csv/judge.h"
#include "csv/splitter.h"

namespace rh::csv {

class ChunkJudges {
  public:
    struct Found {
        Judged judged;  // rows and lines count from the chunk's beginning
        uint64_t lines = 0;
        uint64_t empty_lines = 0;
    };
    using OnFound = std::function<Result<void>(Found&)>;

    // `threads` (at least 2) are at work, with that of the caller. `on_found` is called by give()
    // and finish().
    ChunkJudges(const RowRules& rules, const Header& header, unsigned threads, OnFound on_found);
    ~ChunkJudges();  // drops what is not judged yet
    ChunkJudges(const ChunkJudges&) = delete;
    ChunkJudges& operator=(const ChunkJudges&) = delete;

    // Takes the chunk of `splitter`, if it has a whole record; see Splitter::swap_out. Errors: of
    // on_found; internal internal_error (no memory).
    Result<void> give(Splitter& splitter);
    // Waits until all is found.
    Result<void> finish();

  private:
    struct Slot {
        Chunk chunk;
        Found found;
        bool done = false;  // it is judged, or could not be
        std::optional<Error> error;
    };

    Slot& slot(uint64_t number) { return slots_[number % slots_.size()]; }
    void work();
    static void judge_chunk(Judge& judge, Slot& slot);
    bool begin_next(std::unique_lock<std::mutex>& lock, Judge& judge);
    Result<void> take_oldest();

    const RowRules rules_;
    const Header header_;
    const OnFound on_found_;
    Judge own_;

    std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_, as `done` is: the numbers, which say whose a slot is. Of chunks not begun
    // and of those that are done it is the caller's, between that of the thread that began it.
    std::vector<Slot> slots_;  // as a ring: chunk n stands in slot n modulo their number
    uint64_t oldest_ = 0;      // not taken yet
    uint64_t next_ = 0;        // not begun yet
    uint64_t given_ = 0;
    bool ended_ = false;

    std::vector<std::thread> threads_;
};

}  // namespace rh::csv
