#include "publish/batch_lane.h"

#include <utility>

#include "base/without_exceptions.h"

namespace rh::publish {

BatchLane::BatchLane(std::function<Result<void>(const model::RowBatch&)> work)
    : work_(std::move(work)), thread_([this] { run(); }) {}

BatchLane::~BatchLane() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        dropped_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

Result<void> BatchLane::push(model::RowBatch& batch) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return error_ || waiting_.size() < kBatchesMax; });
    if (error_) {
        return std::unexpected(*error_);
    }
    waiting_.push_back(std::move(batch));
    batch = {};
    if (!empty_.empty()) {
        batch = std::move(empty_.back());
        empty_.pop_back();
    }
    lock.unlock();
    changed_.notify_all();
    return {};
}

Result<void> BatchLane::finish() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (error_) {
        return std::unexpected(*error_);
    }
    return {};
}

void BatchLane::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
        if (dropped_ || waiting_.empty()) {
            return;
        }
        model::RowBatch batch = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        lock.unlock();
        changed_.notify_all();
        auto done = without_exceptions([&] { return work_(batch); });
        batch.clear();
        lock.lock();
        if (!done) {
            error_ = std::move(done).error();
            changed_.notify_all();
            return;
        }
        empty_.push_back(std::move(batch));
    }
}

}  // namespace rh::publish
