// Blocks on their way into ClickHouse: a few threads, so that the next block is decoded and laid
// out while ClickHouse takes the last ones. submit() waits when all are busy, so memory stays flat.
// After a failed insert nothing more is sent and every call says that error; the sink then starts
// again from its checkpoint with a new Inserter. Used by one thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "clickhouse/client.h"
#include "clickhouse/native_block.h"

namespace rh::sink {

class Inserter {
  public:
    Inserter(const clickhouse::Client& owner, unsigned threads);
    ~Inserter();  // waits for what is being sent

    // `cells` are whole cells; they become one Native block and one INSERT.
    Result<void> submit(clickhouse::NativeBlock block);
    // Returns when all blocks are in ClickHouse.
    Result<void> drain();

  private:
    void run();

    const clickhouse::Client& owner_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<clickhouse::NativeBlock> next_;  // guarded by mutex_, like all below
    unsigned sending_ = 0;
    bool ending_ = false;
    std::optional<Error> error_;
    std::vector<std::jthread> threads_;
};

}  // namespace rh::sink
