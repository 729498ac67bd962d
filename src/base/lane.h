// A bounded hand-over of work to a thread of its own, in order. At most kWaitingMax items wait and
// one more is being worked on, so memory stays flat and a slow side slows the other. Items go round
// and keep their memory. An Item can be default-made and cleared (a RowBatch, a std::string).
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/without_exceptions.h"

namespace rh {

template <class Item>
class Lane {
  public:
    static constexpr size_t kWaitingMax = 2;

    // Starts the thread, which gives each item to `work`, which may take its content. The first
    // Error ends it.
    explicit Lane(std::function<Result<void>(Item&)> work)
        : work_(std::move(work)), thread_([this] { run(); }) {}
    ~Lane() {  // drops what waits
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
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    // Takes the content and leaves an empty item. The worker's Error, if it had one.
    Result<void> push(Item& item) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return error_ || waiting_.size() < kWaitingMax; });
        if (error_) {
            return std::unexpected(*error_);
        }
        waiting_.push_back(std::move(item));
        item = {};
        if (!empty_.empty()) {
            item = std::move(empty_.back());
            empty_.pop_back();
        }
        lock.unlock();
        changed_.notify_all();
        return {};
    }

    // Waits until all is worked off. Nothing may be pushed any more; again: the same answer.
    Result<void> finish() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) {
            thread_.join();
        }
        if (error_) {
            return std::unexpected(*error_);
        }
        return {};
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
            if (dropped_ || waiting_.empty()) {
                return;
            }
            Item item = std::move(waiting_.front());
            waiting_.erase(waiting_.begin());
            lock.unlock();
            changed_.notify_all();
            auto done = without_exceptions([&] { return work_(item); });
            item.clear();
            lock.lock();
            if (!done) {
                error_ = std::move(done).error();
                changed_.notify_all();
                return;
            }
            empty_.push_back(std::move(item));
        }
    }

    const std::function<Result<void>(Item&)> work_;
    std::mutex mutex_;  // guards all but the thread
    std::condition_variable changed_;
    std::vector<Item> waiting_;  // oldest first
    std::vector<Item> empty_;
    bool ended_ = false;    // nothing more is pushed
    bool dropped_ = false;  // what waits is not wanted
    std::optional<Error> error_;
    std::thread thread_;
};

}  // namespace rh
