#include "sink/inserter.h"

#include <utility>

#include "base/kill_point.h"
#include "base/without_exceptions.h"

namespace rh::sink {

Inserter::Inserter(const clickhouse::Client& owner, unsigned threads) : owner_(owner) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

Inserter::~Inserter() {
    {
        const std::scoped_lock lock(mutex_);
        ending_ = true;
        next_.reset();
    }
    changed_.notify_all();
}

Result<void> Inserter::submit(clickhouse::NativeBlock block) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !next_ || error_; });
    if (error_) {
        return std::unexpected(*error_);
    }
    next_ = std::move(block);
    lock.unlock();
    changed_.notify_all();
    return {};
}

Result<void> Inserter::drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return (!next_ && sending_ == 0) || error_; });
    if (error_) {
        return std::unexpected(*error_);
    }
    return {};
}

void Inserter::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return next_ || ending_; });
        if (!next_) {
            return;
        }
        auto block = std::move(*next_);
        next_.reset();
        ++sending_;
        lock.unlock();
        changed_.notify_all();
        kill_point("sink_before_insert");
        auto sent = without_exceptions([&] {
            return owner_.insert(clickhouse::insert_game_rounds_sql(), block.encode(), {},
                                 clickhouse::insert_settings());
        });
        kill_point("sink_after_insert");
        lock.lock();
        --sending_;
        if (!sent && !error_) {
            error_ = std::move(sent).error();
            next_.reset();
        }
        changed_.notify_all();
    }
}

}  // namespace rh::sink
