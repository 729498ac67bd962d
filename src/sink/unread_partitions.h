// Partitions of the topic that no member of the consumer group reads. The members share out what
// there is when they join, and when one of them sees that there are more; but one that comes back
// soon, as in a restart, is given what it had, and takes what it finds then for all there is. Rows
// in such a partition would wait for ever. Of the consumer's thread.
#pragma once

#include <cstdint>
#include <string>

#include "kafka/client.h"
#include "sink/group_errors.h"

namespace rh::sink {

class UnreadPartitions {
  public:
    UnreadPartitions(std::string group, std::string topic, GroupErrors& errors)
        : group_(std::move(group)), topic_(std::move(topic)), errors_(errors) {}

    // Looks every ten seconds; true if the members should share the partitions out anew, since some
    // were read by nobody in two looks, and nobody else has seen to it. `now` is monotonic.
    bool look(kafka::Admin& admin, int64_t now);

  private:
    const std::string group_;
    const std::string topic_;
    GroupErrors& errors_;
    int64_t looked_at_ = 0;
    unsigned seen_ = 0;  // looks that found some, one after the other
};

}  // namespace rh::sink
