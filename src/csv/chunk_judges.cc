#include "csv/chunk_judges.h"

#include <utility>

#include "base/without_exceptions.h"

namespace rh::csv {

ChunkJudges::ChunkJudges(const RowRules& rules, const Header& header, unsigned threads,
                         OnFound on_found)
    : rules_(rules),
      header_(header),
      on_found_(std::move(on_found)),
      own_(rules, header),
      slots_(size_t{2} * threads) {
    for (unsigned n = 1; n < threads; ++n) {
        threads_.emplace_back([this] { work(); });
    }
}

ChunkJudges::~ChunkJudges() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void ChunkJudges::work() {
    Judge judge(rules_, header_);
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ended_ || next_ < given_; });
        if (ended_) {
            return;
        }
        begin_next(lock, judge);
    }
}

void ChunkJudges::judge_chunk(Judge& judge, Slot& slot) {
    Walker walker;
    walker.begin(slot.chunk);
    judge.judge(walker, UINT64_MAX, SIZE_MAX, slot.found.judged);
    judge.flush(slot.found.judged);
    slot.found.lines = walker.lines();
    slot.found.empty_lines = walker.empty_lines();
}

// Judges the next chunk that waits; false if none does. `lock` is held before and after.
bool ChunkJudges::begin_next(std::unique_lock<std::mutex>& lock, Judge& judge) {
    if (next_ == given_) {
        return false;
    }
    Slot& mine = slot(next_++);
    lock.unlock();
    const auto done = without_exceptions([&]() -> Result<void> {
        judge_chunk(judge, mine);
        return {};
    });
    lock.lock();
    if (!done) {
        mine.error = done.error();
    }
    mine.done = true;
    changed_.notify_all();
    return true;
}

// Hands on what was found in the oldest chunk; judges others as long as it is not done.
Result<void> ChunkJudges::take_oldest() {
    std::unique_lock lock(mutex_);
    Slot& oldest = slot(oldest_);
    while (!oldest.done) {
        if (!begin_next(lock, own_)) {
            changed_.wait(lock);
        }
    }
    lock.unlock();
    if (oldest.error) {
        return std::unexpected(*oldest.error);
    }
    RH_TRY(on_found_(oldest.found));
    oldest.found.judged.clear();
    oldest.done = false;
    ++oldest_;
    return {};
}

Result<void> ChunkJudges::give(Splitter& splitter) {
    if (given_ - oldest_ == slots_.size()) {
        RH_TRY(take_oldest());
    }
    if (!splitter.swap_out(slot(given_).chunk)) {
        splitter.carry();
        return {};
    }
    {
        const std::lock_guard lock(mutex_);
        ++given_;
    }
    changed_.notify_one();
    return {};
}

Result<void> ChunkJudges::finish() {
    while (oldest_ != given_) {
        RH_TRY(take_oldest());
    }
    return {};
}

}  // namespace rh::csv
