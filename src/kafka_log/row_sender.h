// Sends the rows of one upload into the topic, one transaction after the other, each with a record
// in the control topic of how far it is. Rows are encoded on the caller's thread and sent on one of
// its own, so that a commit, which waits for the brokers, keeps nobody. After an Error it is of no
// more use. One thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/lane.h"
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
          upload_id_(published.upload_id),
          partitions_(published.partitions.size()),
          last_row_(published.last_row),
          published_(std::move(published)),
          rows_committed_(published_.totals.rows) {}
    ~RowSender();  // what is not committed is given up
    RowSender(const RowSender&) = delete;
    RowSender& operator=(const RowSender&) = delete;

    // What is committed. Before the first send(), or after drain().
    const Published& published() const { return published_; }
    uint64_t rows_committed() const { return rows_committed_; }
    // Of the producer. Before the first send(), or after drain().
    void set_on_wait(std::function<Result<void>()> on_wait) {
        producer_->set_on_wait(std::move(on_wait));
    }
    // Sends the rows of the batch that were not sent yet. They are committed when the transaction
    // has kTransactionRows, or has been open for kTransactionMs, or at the end. The Error may be
    // one of an earlier batch.
    Result<void> send(const model::RowBatch& batch);
    // Returns when nothing waits to be sent. No send() may follow.
    Result<void> drain();
    // Commits what was sent, and `state`: the last call.
    Result<void> finish(Published::State state);

  private:
    // Each costs two rounds of the brokers and a record; one as large as this costs librdkafka
    // about 35 MB.
    static constexpr uint64_t kTransactionRows = 2 * model::kCellRows;
    // Nobody reads past an open one.
    static constexpr int64_t kTransactionMs = 2'000;
    // What is handed to the other thread at once: some of these wait.
    static constexpr size_t kPieceRows = model::kCellRows / 2;

    // Rows as messages.
    struct Piece {
        std::string keys;
        std::string values;
        struct Row {
            size_t key_end = 0;  // in keys, where the next one begins
            size_t value_end = 0;
            int32_t partition = 0;
        };
        std::vector<Row> rows;
        std::vector<model::Totals> totals;  // by partition
        uint64_t last_row = 0;

        void clear();
    };

    void encode(const model::RowBatch& batch, size_t begin, size_t end);
    // On the thread of lane_, or when that has ended.
    Result<void> send_piece(Piece& piece);
    Result<void> begin();
    Result<void> commit();

    kafka::Delivery
        delivery_;  // of the open transaction; outlives the producer, which reports to it
    const std::unique_ptr<kafka::Producer> producer_;
    const std::string topic_;
    const std::string control_topic_;
    const int32_t schema_id_;
    const model::UploadId upload_id_;
    const size_t partitions_;
    uint64_t last_row_ = 0;  // that was handed on
    Piece piece_;
    std::vector<size_t> ends_;  // kept for its memory

    // Of the thread of lane_.
    Published published_;
    std::optional<Published> next_;  // what will be committed; none: no transaction is open
    uint64_t rows_ = 0;              // in the open transaction
    int64_t began_at_ = 0;
    std::vector<kafka::Record> records_;  // kept for its memory
    std::vector<size_t> next_in_;         // by partition: where in records_ its next one goes

    std::atomic<uint64_t> rows_committed_ = 0;
    std::optional<Lane<Piece>> lane_;  // last: its thread ends first. None: nothing was sent yet
};

}  // namespace rh::kafka_log
