// Messages of the topic that are no rows: each one is kept in the table `dead_letters` and in a
// topic of its own, with where it was and why, and does not hold up what comes after it. The same
// message again changes nothing in the table. One thread; any may count().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "kafka/client.h"

namespace rh::sink {

// Of the messages of this topic of rows.
inline std::string dead_letter_topic(const std::string& topic) { return topic + "-dead-letters"; }

struct DeadLetter {
    uint32_t partition = 0;
    int64_t offset = 0;
    std::string_view reason;  // docs/formats/kafka.md lists them
    std::string detail;       // a sentence
    std::string key;
    std::string value;
};

class DeadLetters {
  public:
    // `topic`: of the rows.
    DeadLetters(const clickhouse::Store& store, kafka::Cluster cluster, std::string topic)
        : store_(store), cluster_(std::move(cluster)), topic_(std::move(topic)) {}

    // Returns when all of them are kept in both places.
    Result<void> keep(const std::vector<DeadLetter>& letters);
    // Returns when all of them are in the topic of dead letters.
    Result<void> send(const std::vector<DeadLetter>& letters);
    // How many messages of the topic there are in the table, of all processes and times.
    Result<uint64_t> count() const;

  private:
    Result<void> produce(const std::vector<DeadLetter>& letters);

    const clickhouse::Store& store_;
    const kafka::Cluster cluster_;
    const std::string topic_;
    std::unique_ptr<kafka::Producer> producer_;
};

}  // namespace rh::sink
