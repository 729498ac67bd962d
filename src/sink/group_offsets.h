// How far a consumer group is in the topic of rows, asked of the brokers a few times a second at
// most. Any thread.
#pragma once

#include <cstdint>
#include <functional>
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
    // `on_dropped(partition, first, low)`: nobody can read the offsets [first, low) any more, which
    // the group had still to read. Called by are_past(), again and again while it is so.
    using OnDropped = std::function<void(size_t partition, int64_t first, int64_t low)>;
    GroupOffsets(kafka::Cluster cluster, std::string group, std::string topic,
                 OnDropped on_dropped = nullptr)
        : cluster_(std::move(cluster)),
          group_(std::move(group)),
          topic_(std::move(topic)),
          on_dropped_(std::move(on_dropped)) {}

    // Whether the group has committed offsets past every row of the manifest that the topic still
    // has. Errors are kafka's.
    Result<bool> are_past(const kafka_log::Published& manifest);
    // For how long none of them has moved while are_past() was asked again and again and said no.
    int64_t stalled_ms() const;

  private:
    Result<bool> are_dropped(size_t partition, int64_t next, int64_t last);

    const kafka::Cluster cluster_;
    const std::string group_;
    const std::string topic_;
    const OnDropped on_dropped_;
    mutable std::mutex mutex_;  // guards all below
    std::unique_ptr<kafka::Admin> admin_;
    std::vector<std::optional<int64_t>> offsets_;
    int64_t asked_at_ = INT64_MIN / 2;
    std::optional<int64_t> stalled_since_;
};

}  // namespace rh::sink
