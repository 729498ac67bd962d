// Sends the rows of one upload into the topic, one transaction after the other, each with a record
// in the control topic of how far it is. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka_log/records.h"
#include "model/row_batch.h"

namespace rh::kafka_log {

class RowSender {
  public:
    // `producer` has taken over the upload's transactional id; `published` is what is committed.
    RowSender(std::unique_ptr<kafka::Producer> producer, std::string topic,
              std::string control_topic, int32_t schema_id, Published published)
        : producer_(std::move(producer)),
          topic_(std::move(topic)),
          control_topic_(std::move(control_topic)),
          schema_id_(schema_id),
          published_(std::move(published)) {}

    const Published& published() const { return published_; }
    // Sends the rows of the batch that come after what is committed, and commits them.
    Result<void> send(const model::RowBatch& batch);
    // Commits `state`: the last call.
    Result<void> finish(Published::State state);

  private:
    Result<void> commit(Published next);
    void encode(const model::RowBatch& batch, size_t begin, Published& next);

    const std::unique_ptr<kafka::Producer> producer_;
    const std::string topic_;
    const std::string control_topic_;
    const int32_t schema_id_;
    Published published_;
    std::string messages_;  // of one batch, kept for its memory, like the next two
    std::vector<size_t> ends_;
    std::vector<kafka::Record> records_;
};

}  // namespace rh::kafka_log
