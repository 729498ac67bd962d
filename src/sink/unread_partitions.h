// Partitions of the topic that no member of the consumer group reads. The members share out what
// there is when they join, and when one of them sees that there are more; but one that comes back
// soon, as in a restart, is given what it had, and takes what it finds then for all there is. Rows
// in such a partition would wait for ever. A thread of its own, since brokers may take their time.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "kafka/client.h"
#include "sink/group_errors.h"

namespace rh::sink {

class UnreadPartitions {
  public:
    // `errors` outlives it.
    UnreadPartitions(kafka::Cluster cluster, std::string group, std::string topic,
                     GroupErrors& errors);

    // Whether the members should share the partitions out anew, since some were read by nobody for
    // ten seconds. Once each time.
    bool are_due() { return due_.exchange(false); }

  private:
    void run(const std::stop_token& stop);
    Result<void> look();

    const kafka::Cluster cluster_;
    const std::string group_;
    const std::string topic_;
    GroupErrors& errors_;
    std::atomic<bool> due_ = false;
    // Of the thread.
    std::unique_ptr<kafka::Admin> admin_;
    bool seen_ = false;  // by the last look
    std::jthread thread_;
};

}  // namespace rh::sink
