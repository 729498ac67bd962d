#include "kafka_log/row_sender.h"

#include <algorithm>
#include <utility>

#include "avro/game_round_codec.h"
#include "base/clock.h"
#include "base/kill_point.h"
#include "kafka/registry.h"
#include "kafka_log/control_topic.h"

namespace rh::kafka_log {

// Messages and their partitions, and what the transaction adds to the counts.
void RowSender::encode(const model::RowBatch& batch, size_t begin, Published& next) {
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
            producer_->partition_of(key, static_cast<int32_t>(next.partitions.size()));
        records_.push_back(
            {.key = key, .value = bytes.substr(from, end - from), .partition = partition});
        from = end;
        model::Totals& totals = next.partitions[static_cast<size_t>(partition)].totals;
        ++totals.rows;
        for (size_t a = 0; a < totals.sums.size(); ++a) {
            totals.sums[a].add(batch.amount[a][i]);
        }
    }
    next.totals = {};
    for (const PartitionRows& rows : next.partitions) {
        next.totals.add(rows.totals);
    }
    next.last_row = batch.row_number.back();
}

Result<void> RowSender::send(const model::RowBatch& batch) {
    const auto first = std::ranges::upper_bound(batch.row_number, published_.last_row);
    if (first == batch.row_number.end()) {
        return {};
    }
    Published next = published_;
    encode(batch, static_cast<size_t>(first - batch.row_number.begin()), next);
    kafka::Delivery delivery(next.partitions.size());
    RH_TRY(producer_->begin_transaction());
    RH_TRY(producer_->send(topic_, records_, delivery));
    // The record of how far it is names offsets, which are known now.
    RH_TRY(producer_->flush(delivery));
    for (size_t p = 0; p < next.partitions.size(); ++p) {
        PartitionRows& rows = next.partitions[p];
        if (delivery.last_offset[p] >= 0) {
            rows.last_offset = delivery.last_offset[p];
            rows.first_offset =
                rows.first_offset < 0 ? delivery.first_offset[p] : rows.first_offset;
        }
    }
    return commit(std::move(next));
}

Result<void> RowSender::finish(Published::State state) {
    Published last = published_;
    last.state = state;
    RH_TRY(producer_->begin_transaction());
    return commit(std::move(last));
}

// What was sent in this transaction and the record that speaks of it become visible at once.
Result<void> RowSender::commit(Published next) {
    next.written_ms = now_ms();
    const std::string key = key_of(next, {});
    const std::string value = record_text(next);
    const kafka::Record record{.key = key, .value = value, .partition = 0};
    kafka::Delivery delivery(1);
    RH_TRY(producer_->send(control_topic_, {&record, 1}, delivery));
    kill_point("kafka_before_commit");
    RH_TRY(producer_->commit_transaction());
    kill_point("kafka_after_commit");
    published_ = std::move(next);
    return {};
}

}  // namespace rh::kafka_log
