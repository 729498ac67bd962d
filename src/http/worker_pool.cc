#include "http/worker_pool.h"

#include <algorithm>
#include <utility>

namespace rh::http {

WorkerPool::WorkerPool(unsigned threads_max, size_t queue_max)
    : threads_max_(std::max(threads_max, 1U)), queue_max_(queue_max) {}

WorkerPool::~WorkerPool() { join(); }

bool WorkerPool::submit(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    const bool can_start = threads_.size() < threads_max_;
    // An idle thread that was woken has not taken its job yet: count queued jobs against them.
    const bool thread_free = idle_ > queue_.size();
    if (ending_ || (!thread_free && !can_start && queue_.size() >= queue_max_)) {
        return false;
    }
    queue_.push_back(std::move(job));
    if (!thread_free && can_start) {
        threads_.emplace_back(&WorkerPool::run, this);
    }
    wake_.notify_one();
    return true;
}

void WorkerPool::join() {
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        threads.swap(threads_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads) {
        thread.join();
    }
}

void WorkerPool::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        --idle_;
        if (queue_.empty()) {
            return;
        }
        const std::function<void()> job = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace rh::http
