// Where the ClickHouse servers consume the topic of rows themselves, messages that are no rows come
// into the table `dead_letters` without this program. This copies them into the topic of dead
// letters, where everybody finds them whoever consumes.
//
// How far it is stands in Kafka, as the offsets of a group of its own (GROUP-dead-letters) in the
// topic of rows, so all processes share it. Each letter is sent at least once, with the headers
// partition and offset by which a second copy is known. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "kafka/client.h"
#include "sink/dead_letters.h"

namespace rh::sink {

class LetterForwarder {
  public:
    // By partition: the next offset.
    using Offsets = std::vector<std::optional<int64_t>>;

    // `group`: of the engine tables; `letters` outlives the forwarder.
    LetterForwarder(const clickhouse::Store& store, DeadLetters& letters, const std::string& group,
                    std::string topic)
        : store_(store),
          letters_(letters),
          group_(group + "-dead-letters"),
          topic_(std::move(topic)) {}

    // Sends every letter of the table that is new, and below `taken`: what the engine's group has
    // committed, since below that nothing comes in any more.
    Result<void> forward(kafka::Admin& admin, const Offsets& taken);

  private:
    Result<bool> forward_some(kafka::Admin& admin, size_t shard, std::vector<int64_t>& marks,
                              const std::vector<int64_t>& taken);

    const clickhouse::Store& store_;
    DeadLetters& letters_;
    const std::string group_;
    const std::string topic_;
};

}  // namespace rh::sink
