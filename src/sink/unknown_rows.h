// Rows of uploads of which the control topic has never spoken, in game_rounds where the ClickHouse
// servers consume the topic themselves: somebody else wrote them into the topic. No version counts
// them, and nobody removes them, but an operator is to know. One thread; found() by any.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

#include "base/result.h"
#include "clickhouse/store.h"
#include "kafka_log/control_topic.h"
#include "model/upload_id.h"

namespace rh::sink {

class UnknownRows {
  public:
    UnknownRows(const clickhouse::Store& store, kafka_log::ControlTopic& control)
        : store_(store), control_(control) {}

    // Looks again, unless the last look was only just: it reads a column of every row, so it gets a
    // twentieth of the time.
    Result<void> look();
    struct Found {
        uint64_t rows = 0;
        uint64_t uploads = 0;
    };
    Found found() const;

  private:
    Result<uint64_t> count(const std::set<model::UploadId>& uploads) const;

    const clickhouse::Store& store_;
    kafka_log::ControlTopic& control_;
    int64_t next_at_ = INT64_MIN / 2;
    // Of the last look. A transaction's rows and its record become visible one after the other, so
    // only what is unknown twice is so.
    std::set<model::UploadId> suspects_;
    mutable std::mutex mutex_;
    Found found_;  // guarded by mutex_
};

}  // namespace rh::sink
