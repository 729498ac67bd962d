// Sends the rows of one upload into the topic, one transaction after the other, each with a record
// in the control topic of how far it is. After an Error it is of no more use. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
        : delivery_(1),
          producer_(std::move(producer)),
          topic_(std::move(topic)),
          control_topic_(std::move(control_topic)),
          schema_id_(schema_id),
          published_(std::move(published)) {}
    ~RowSender();  // what is not committed is given up
    RowSender(const RowSender&) = delete;
    RowSender& operator=(const RowSender&) = delete;

    // What is committed.
    const Published& published() const { return published_; }
    // Of the producer.
    void set_on_wait(std::function<Result<void>()> on_wait) {
        producer_->set_on_wait(std::move(on_wait));
    }
    // Sends the rows of the batch that were not sent yet. They are committed when the transaction
    // has kTransactionRows, or has been open for kTransactionMs, or at the end.
    Result<void> send(const model::RowBatch& batch);
    // Commits what was sent, and `state`: the last call.
    Result<void> finish(Published::State state);

  private:
    // Each costs two rounds of the brokers and a record; one as large as this costs librdkafka
    // about 35 MB.
    static constexpr uint64_t kTransactionRows = 2 * model::kCellRows;
    // Nobody reads past an open one.
    static constexpr int64_t kTransactionMs = 2'000;

    Result<void> begin();
    Result<void> commit();
    void encode(const model::RowBatch& batch, size_t begin);

    kafka::Delivery
        delivery_;  // of the open transaction; outlives the producer, which reports to it
    const std::unique_ptr<kafka::Producer> producer_;
    const std::string topic_;
    const std::string control_topic_;
    const int32_t schema_id_;
    Published published_;
    std::optional<Published> next_;  // what will be committed; none: no transaction is open
    uint64_t rows_ = 0;              // in the open transaction
    int64_t began_at_ = 0;
    std::string messages_;  // of one batch, kept for its memory, like the next two
    std::vector<size_t> ends_;
    std::vector<kafka::Record> records_;
};

}  // namespace rh::kafka_log
