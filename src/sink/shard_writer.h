// Brings whole cells of any uploads and partitions into one shard: a thread that sends one INSERT
// after the other and tries each again until it is in. One thread gives and takes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "clickhouse/client.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::sink {

// A cell as it came out of a partition of the topic.
struct PartitionCell {
    model::UploadId upload_id;
    uint32_t partition = 0;
    uint64_t assignment = 0;   // which time this process had the partition
    int64_t first_offset = 0;  // of its first row
    model::RowBatch rows;
    uint64_t count = 0;  // of rows; set when they are in ClickHouse, 0 if they were left out
};

class ShardWriter {
  public:
    // on_error is told of each attempt that failed. Cells of uploads that do not `counts` before an
    // attempt are left out of it, and are done.
    ShardWriter(const clickhouse::Client& owner, std::function<bool(const model::UploadId&)> counts,
                std::function<void(const Error&)> on_error);
    ~ShardWriter();  // gives up what is not in

    // Two INSERTs may be under way, one sent and one waiting.
    bool can_take() const;
    // Waits until it can, at most until `time`; whether it can.
    bool can_take_before(std::chrono::steady_clock::time_point time) const;
    void give(std::vector<PartitionCell> cells);
    // Whether something that was given is not in ClickHouse yet.
    bool is_busy() const;
    // What is in ClickHouse since the last call; rows are left out.
    std::vector<PartitionCell> take_done();

  private:
    void run(const std::stop_token& stop);
    void empty_uncounted(std::vector<PartitionCell>& cells) const;
    Result<void> insert(const std::vector<PartitionCell>& cells) const;

    const clickhouse::Client& owner_;
    const std::function<bool(const model::UploadId&)> counts_;
    const std::function<void(const Error&)> on_error_;
    mutable std::mutex mutex_;  // guards all below but the thread
    mutable std::condition_variable_any changed_;
    std::vector<PartitionCell> waiting_;
    bool inserting_ = false;  // what was waiting_ last
    std::vector<PartitionCell> done_;
    std::jthread thread_;
};

}  // namespace rh::sink
