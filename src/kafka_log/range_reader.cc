#include "kafka_log/range_reader.h"

#include <utility>

#include <fmt/format.h>

#include "avro/game_round_codec.h"
#include "base/clock.h"
#include "kafka/registry.h"
#include "log/manifest.h"

namespace rh::kafka_log {
namespace {

constexpr size_t kPollMax = 8'192;
constexpr int kPollMs = 200;
// Without a message, although there must be some.
constexpr int64_t kSilenceMs = 60'000;

class RangeReader final : public log::RowReader {
  public:
    RangeReader(std::unique_ptr<kafka::Consumer> consumer, std::string topic, Published published)
        : consumer_(std::move(consumer)),
          topic_(std::move(topic)),
          published_(std::move(published)) {}

    uint32_t partition() const override { return given_; }

    Result<bool> next(model::RowBatch& batch) override {
        batch.clear();
        while (partition_ < published_.partitions.size()) {
            auto filled = fill(batch);
            if (!filled) {
                batch.clear();
                if (filled.error().code == "kafka_retention_lost") {
                    return log::log_damaged(fmt::format(
                        "rows of it were dropped from topic {} by its retention", topic_));
                }
                return std::unexpected(std::move(filled).error());
            }
            if (!batch.empty()) {
                given_ = static_cast<uint32_t>(partition_);
                return true;
            }
            RH_TRY(end_partition());
        }
        return false;
    }

  private:
    const PartitionRows& range() const { return published_.partitions[partition_]; }

    // The next rows of one cell; none at the partition's end.
    Result<void> fill(model::RowBatch& batch) {
        int64_t silent_since = monotonic_ms();
        while (offset_ <= range().last_offset) {
            if (messages_.empty()) {
                RH_TRY(poll());
                if (messages_.empty() && monotonic_ms() - silent_since > kSilenceMs) {
                    return fail(ErrorKind::unavailable, "kafka_unavailable",
                                fmt::format("Kafka: partition {} of topic {} gives no messages.",
                                            partition_, topic_),
                                Verdict::retry);
                }
                continue;
            }
            silent_since = monotonic_ms();
            const kafka::Message& message = messages_.front();
            RH_ASSIGN(const bool taken, take(message, batch));
            if (!taken) {
                return {};  // it begins the next cell
            }
            offset_ = message.offset + 1;
            messages_ = messages_.subspan(1);
        }
        return {};
    }

    Result<void> poll() {
        if (!assigned_) {
            offset_ = range().first_offset;
            assigned_ = true;
            RH_TRY(consumer_->assign(
                topic_, {{.partition = static_cast<int32_t>(partition_), .offset = offset_}}));
        }
        std::vector<kafka::Position> ends;
        RH_ASSIGN(messages_, consumer_->poll(kPollMax, kPollMs, &ends));
        if (messages_.empty() && !ends.empty() && ends.front().offset > range().last_offset) {
            offset_ = ends.front().offset;  // the last row is not there
        }
        return {};
    }

    // False if the row belongs to another cell than those in the batch.
    Result<bool> take(const kafka::Message& message, model::RowBatch& batch) {
        const auto value = kafka::parse_wire_value(message.value);
        const auto round = value ? avro::read_record(value->record) : std::nullopt;
        if (!round || round->upload_id != upload_id_ || round->row_number <= last_row_) {
            return true;  // of another upload, or sent twice
        }
        if (!batch.empty() &&
            model::cell_of(batch.row_number.front()) != model::cell_of(round->row_number)) {
            return false;
        }
        if (!avro::append_row(*round, batch)) {
            return log::log_damaged(
                fmt::format("row {} of the upload in topic {} has more text "
                            "than a cell can hold",
                            round->row_number, topic_));
        }
        last_row_ = round->row_number;
        ++rows_;
        return true;
    }

    Result<void> end_partition() {
        if (rows_ != range().totals.rows) {
            return log::log_damaged(fmt::format(
                "partition {} of topic {} holds {} rows of the upload, and the manifest says {}",
                partition_, topic_, rows_, range().totals.rows));
        }
        ++partition_;
        rows_ = 0;
        last_row_ = 0;
        offset_ = 0;
        assigned_ = false;
        messages_ = {};
        return {};
    }

    const std::unique_ptr<kafka::Consumer> consumer_;
    const std::string topic_;
    const Published published_;
    const std::string upload_id_ = model::to_string(published_.upload_id);
    uint32_t given_ = 0;
    size_t partition_ = 0;  // the one that is being read
    bool assigned_ = false;
    int64_t offset_ = 0;  // of the next message
    uint64_t rows_ = 0;
    uint64_t last_row_ = 0;
    std::span<const kafka::Message> messages_;  // polled and not taken yet
};

}  // namespace

Result<std::unique_ptr<log::RowReader>> open_range_reader(const kafka::Cluster& cluster,
                                                          const std::string& topic,
                                                          Published published) {
    RH_ASSIGN(auto consumer, kafka::Consumer::create(cluster));
    return std::make_unique<RangeReader>(std::move(consumer), topic, std::move(published));
}

}  // namespace rh::kafka_log
