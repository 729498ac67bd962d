// How far a consumer group is in the topic of rows, asked of the brokers a few times a second at
// most. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka_log/records.h"

namespace rh::sink {

class GroupOffsets {
  public:
    GroupOffsets(kafka::Cluster cluster, std::string group, std::string topic)
        : cluster_(std::move(cluster)), group_(std::move(group)), topic_(std::move(topic)) {}

    // Whether the group has committed offsets past every row of the manifest that the topic still
    // has. Errors are kafka's.
    Result<bool> are_past(const kafka_log::Published& manifest);
    // For how long none of them has moved while are_past() was asked again and again and said no.
    int64_t stalled_ms() const;

  private:
    Result<bool> are_dropped(int32_t partition, int64_t last);

    const kafka::Cluster cluster_;
    const std::string group_;
    const std::string topic_;
    mutable std::mutex mutex_;  // guards all below
    std::unique_ptr<kafka::Admin> admin_;
    std::vector<std::optional<int64_t>> offsets_;
    int64_t asked_at_ = INT64_MIN / 2;
    std::optional<int64_t> stalled_since_;
};

}  // namespace rh::sink
