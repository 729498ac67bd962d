#include "uploads/progress.h"

#include <algorithm>

#include "base/clock.h"

namespace rh::uploads {

// Numbers begin at the time of day in units of 1/1024 ms: a later program begins above all numbers
// an earlier one gave out, and a double (JavaScript) still holds them exactly.
ProgressBoard::ProgressBoard() : last_number_(static_cast<uint64_t>(now_ms()) * 1024) {}

void ProgressBoard::set(const model::UploadId& id, State state, const Progress& progress) {
    {
        const std::lock_guard lock(mutex_);
        const auto [row, added] = rows_.try_emplace(id);
        const bool was_finished = !added && is_final(row->second.state);
        row->second = {.number = ++last_number_, .state = state, .progress = progress};
        if (is_final(state) && !was_finished) {
            ++finished_;
        } else if (!is_final(state) && was_finished) {
            --finished_;
        }
        if (finished_ > kFinishedKeptMax) {
            drop_oldest_finished();
        }
    }
    changed_.notify_all();
}

void ProgressBoard::drop_oldest_finished() {
    auto oldest = rows_.end();
    for (auto row = rows_.begin(); row != rows_.end(); ++row) {
        if (is_final(row->second.state) &&
            (oldest == rows_.end() || row->second.number < oldest->second.number)) {
            oldest = row;
        }
    }
    if (oldest != rows_.end()) {
        rows_.erase(oldest);
        --finished_;
    }
}

void ProgressBoard::forget(const model::UploadId& id) {
    {
        const std::lock_guard lock(mutex_);
        const auto row = rows_.find(id);
        if (row == rows_.end()) {
            return;
        }
        finished_ -= is_final(row->second.state) ? 1 : 0;
        rows_.erase(row);
    }
    changed_.notify_all();
}

std::optional<ProgressBoard::Change> ProgressBoard::find(const model::UploadId& id) const {
    const std::lock_guard lock(mutex_);
    const auto row = rows_.find(id);
    return row == rows_.end() ? std::nullopt : std::optional(row->second);
}

std::optional<ProgressBoard::Change> ProgressBoard::wait_for_change(
    const model::UploadId& id, uint64_t last_seen, std::chrono::milliseconds timeout) const {
    std::unique_lock lock(mutex_);
    auto row = rows_.end();
    const bool changed = changed_.wait_for(lock, timeout, [&] {
        row = rows_.find(id);
        return stopped_ || (row != rows_.end() && row->second.number > last_seen);
    });
    if (!changed || stopped_) {
        return std::nullopt;
    }
    return row->second;
}

void ProgressBoard::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    changed_.notify_all();
}

}  // namespace rh::uploads
