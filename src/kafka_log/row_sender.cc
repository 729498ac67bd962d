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
    lane_.reset();
    if (next_) {
        producer_->set_on_wait({});
        producer_->abort_transaction();
    }
}

void RowSender::Piece::clear() {
    keys.clear();
    values.clear();
    rows.clear();
    totals.clear();
}

// Messages and their partitions, and what they add to the counts.
void RowSender::encode(const model::RowBatch& batch, size_t begin, size_t end) {
    std::string prefix;
    kafka::append_wire_header(schema_id_, prefix);
    piece_.clear();
    piece_.totals.resize(partitions_);
    piece_.rows.reserve(end - begin);
    ends_.clear();
    avro::encode_messages(batch, begin, end, upload_id_, prefix, piece_.values, ends_);
    for (size_t i = begin; i < end; ++i) {
        const std::string_view key = batch.user_id[i];
        const int32_t partition = producer_->partition_of(key, static_cast<int32_t>(partitions_));
        piece_.keys += key;
        piece_.rows.push_back(
            {.key_end = piece_.keys.size(), .value_end = ends_[i - begin], .partition = partition});
        model::Totals& totals = piece_.totals[static_cast<size_t>(partition)];
        ++totals.rows;
        for (size_t a = 0; a < totals.sums.size(); ++a) {
            totals.sums[a].add(batch.amount[a][i]);
        }
    }
    piece_.last_row = batch.row_number[end - 1];
}

Result<void> RowSender::begin() {
    RH_TRY(producer_->begin_transaction());
    next_ = published_;
    began_at_ = monotonic_ms();
    delivery_ = kafka::Delivery(next_->partitions.size());
    return {};
}

Result<void> RowSender::send(const model::RowBatch& batch) {
    const auto first = std::ranges::upper_bound(batch.row_number, last_row_);
    if (first == batch.row_number.end()) {
        return {};
    }
    if (!lane_) {
        lane_.emplace([this](Piece& piece) { return send_piece(piece); });
    }
    for (auto begin = static_cast<size_t>(first - batch.row_number.begin()); begin < batch.size();
         begin += kPieceRows) {
        encode(batch, begin, std::min(begin + kPieceRows, batch.size()));
        RH_TRY(lane_->push(piece_));
    }
    last_row_ = batch.row_number.back();
    return {};
}

Result<void> RowSender::send_piece(Piece& piece) {
    if (!next_) {
        RH_TRY(begin());
    }
    // By partition, each one's in the order of the rows: a run of them is queued at once, and lies
    // together where librdkafka makes batches of it.
    next_in_.clear();
    size_t begin_of_next = 0;
    for (const model::Totals& totals : piece.totals) {
        next_in_.push_back(begin_of_next);
        begin_of_next += totals.rows;
    }
    records_.resize(piece.rows.size());
    const std::string_view keys = piece.keys;
    const std::string_view values = piece.values;
    Piece::Row before;
    for (const Piece::Row& row : piece.rows) {
        records_[next_in_[static_cast<size_t>(row.partition)]++] = {
            .key = keys.substr(before.key_end, row.key_end - before.key_end),
            .value = values.substr(before.value_end, row.value_end - before.value_end),
            .partition = row.partition};
        before = row;
    }
    RH_TRY(producer_->send(topic_, records_, delivery_));
    for (size_t p = 0; p < partitions_; ++p) {
        next_->partitions[p].totals.add(piece.totals[p]);
    }
    next_->last_row = piece.last_row;
    rows_ += piece.rows.size();
    const bool is_due = rows_ >= kTransactionRows || monotonic_ms() - began_at_ >= kTransactionMs;
    return is_due ? commit() : Result<void>{};
}

Result<void> RowSender::drain() { return lane_ ? lane_->finish() : Result<void>{}; }

Result<void> RowSender::finish(Published::State state) {
    RH_TRY(drain());
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
    rows_committed_ = published_.totals.rows;
    rows_ = 0;
    return {};
}

}  // namespace rh::kafka_log
