// Threads that run request handlers. They are started when needed, up to a bound, and a bounded
// queue holds what comes while all are busy. Any thread may submit.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rh::http {

class WorkerPool {
  public:
    WorkerPool(unsigned threads_max, size_t queue_max);
    ~WorkerPool();  // join()
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // False when the queue is full or the pool is joined: the job was not taken.
    bool submit(std::function<void()> job);
    // Runs what is queued, then ends the threads. Further jobs are refused.
    void join();

  private:
    void run();

    const unsigned threads_max_;
    const size_t queue_max_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;  // guarded by mutex_, as all below
    std::vector<std::thread> threads_;
    size_t idle_ = 0;
    bool ending_ = false;
};

}  // namespace rh::http
