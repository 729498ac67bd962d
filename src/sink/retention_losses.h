// Rows that the topic's retention dropped before they were in ClickHouse: which uploads lack them,
// and until when. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "kafka_log/control_topic.h"
#include "model/upload_id.h"
#include "sink/topic_consumer.h"

namespace rh::sink {

class RetentionLosses {
  public:
    RetentionLosses(const kafka_log::ControlTopic& control, std::string topic)
        : control_(control), topic_(std::move(topic)) {}

    // Offsets [first, second) of a partition that are gone.
    using Dropped = std::map<size_t, std::pair<int64_t, int64_t>>;
    // Says in the log which uploads that are not stored had rows there, if any of which that was
    // not said before. Stored ones have lost nothing: their rows are in ClickHouse.
    void tell(const Dropped& dropped);
    // Which of them are still not whole in the topic.
    void look_after();
    void add_to(TopicConsumer::Health& health) const;

  private:
    // Whether it is news that this partition lost rows of the upload. The lock is held.
    bool note(const kafka_log::Published& upload, size_t partition);

    const kafka_log::ControlTopic& control_;
    const std::string topic_;

    struct Lost {
        uint32_t epoch = 0;  // whose rows are gone
        std::set<size_t> partitions;
    };
    mutable std::mutex mutex_;  // guards all below
    std::map<model::UploadId, Lost> lost_;
    size_t open_uploads_ = 0;
    uint64_t times_ = 0;
    std::string last_;
};

}  // namespace rh::sink
