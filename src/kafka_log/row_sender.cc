#include "kafka_log/row_sender.h"

#include <algorithm>
#include <utility>

#include "avro/game_round_codec.h"
#include "base/clock.h"
#include "base/kill_point.h"
#include "kafka/registry.h"
#include "kafka_log/control_topic.h"

namespace rh::kafka_log {

RowSender::~RowSender() {
    if (next_) {
        producer_->set_on_wait({});
        producer_->abort_transaction();
    }
}

// Messages and their partitions, and what they add to the counts.
void RowSender::encode(const model::RowBatch& batch, size_t begin) {
    std::string prefix;
    kafka::append_wire_header(schema_id_, prefix);
    messages_.clear();
    ends_.clear();
    records_.clear();
    avro::encode_messages(batch, begin, batch.size(), published_.upload_id, prefix, messages_,
                          ends_);
    const std::string_view bytes = messages_;
    size_t from = 0;
    for (size_t i = begin; i < batch.size(); ++i) {
        const size_t end = ends_[i - begin];
        const std::string_view key = batch.user_id[i];
        const int32_t partition =
            producer_->partition_of(key, static_cast<int32_t>(next_->partitions.size()));
        records_.push_back(
            {.key = key, .value = bytes.substr(from, end - from), .partition = partition});
        from = end;
        model::Totals& totals = next_->partitions[static_cast<size_t>(partition)].totals;
        ++totals.rows;
        for (size_t a = 0; a < totals.sums.size(); ++a) {
            totals.sums[a].add(batch.amount[a][i]);
        }
    }
    next_->last_row = batch.row_number.back();
}

Result<void> RowSender::begin() {
    RH_TRY(producer_->begin_transaction());
    next_ = published_;
    began_at_ = monotonic_ms();
    delivery_ = kafka::Delivery(next_->partitions.size());
    return {};
}

Result<void> RowSender::send(const model::RowBatch& batch) {
    const uint64_t sent = next_ ? next_->last_row : published_.last_row;
    const auto first = std::ranges::upper_bound(batch.row_number, sent);
    if (first == batch.row_number.end()) {
        return {};
    }
    if (!next_) {
        RH_TRY(begin());
    }
    encode(batch, static_cast<size_t>(first - batch.row_number.begin()));
    RH_TRY(producer_->send(topic_, records_, delivery_));
    rows_ += records_.size();
    const bool is_due = rows_ >= kTransactionRows || monotonic_ms() - began_at_ >= kTransactionMs;
    return is_due ? commit() : Result<void>{};
}

Result<void> RowSender::finish(Published::State state) {
    if (!next_) {
        RH_TRY(begin());
    }
    next_->state = state;
    return commit();
}

// What was sent in this transaction and the record that speaks of it become visible at once.
Result<void> RowSender::commit() {
    // The record names offsets, which are known when all is delivered.
    RH_TRY(producer_->flush(delivery_));
    next_->totals = {};
    for (size_t p = 0; p < next_->partitions.size(); ++p) {
        PartitionRows& rows = next_->partitions[p];
        next_->totals.add(rows.totals);
        if (delivery_.last_offset[p] >= 0) {
            rows.last_offset = delivery_.last_offset[p];
            rows.first_offset =
                rows.first_offset < 0 ? delivery_.first_offset[p] : rows.first_offset;
        }
    }
    next_->written_ms = now_ms();
    const std::string key = key_of(*next_, {});
    const std::string value = record_text(*next_);
    const kafka::Record record{.key = key, .value = value, .partition = 0};
    delivery_ = kafka::Delivery(1);
    RH_TRY(producer_->send(control_topic_, {&record, 1}, delivery_));
    kill_point("kafka_before_commit");
    RH_TRY(producer_->commit_transaction());
    kill_point("kafka_after_commit");
    published_ = *std::exchange(next_, std::nullopt);
    rows_ = 0;
    return {};
}

}  // namespace rh::kafka_log
