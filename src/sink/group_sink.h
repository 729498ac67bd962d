// Stage 3 when the log is in Kafka: reads the topic as a member of a consumer group, together with
// other processes, and brings whole cells into ClickHouse, of whatever uploads the messages are. It
// decides nothing: an upload is stored when ClickHouse's content equals its manifest (sink.h), so
// all that must hold here is that the group's committed offsets are never past a row that is not
// durable in ClickHouse. Then a restart, a rebalance or a lost offset leads to cells that are
// inserted again, which changes nothing.
//
// A cell is complete when a row of a later one of its upload comes in its partition, or the
// manifest says that the partition's last row was reached. Rows of one that nobody goes on with are
// dropped, so that its upload is repaired if somebody does (sink.h). When ClickHouse does not take
// rows, reading is paused; the member stays in the group.
//
// One thread of its own; begin(), health() and has_taken() by any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "avro/game_round_codec.h"
#include "base/result.h"
#include "clickhouse/store.h"
#include "kafka_log/control_topic.h"
#include "kafka_log/kafka_log.h"
#include "kafka_log/records.h"
#include "sink/dead_letters.h"
#include "sink/group_errors.h"
#include "sink/group_offsets.h"
#include "sink/retention_losses.h"
#include "sink/shard_writer.h"
#include "sink/topic_consumer.h"
#include "sink/unfinished_uploads.h"
#include "sink/unread_partitions.h"

namespace rh::sink {

struct GroupSinkContext {
    const clickhouse::Store& store;
    kafka_log::ControlTopic& control;
    kafka_log::KafkaLog& log;
    std::string group;
    // Called about once a second, and after tend_soon(): what processes tell each other.
    std::function<Result<void>()> tend;
};

class GroupSink : public TopicConsumer {
  public:
    explicit GroupSink(GroupSinkContext context);
    ~GroupSink() override;

    void begin() override;
    void request_stop() override { thread_.request_stop(); }
    void tend_soon() override { tend_soon_ = true; }
    Result<bool> has_taken(const kafka_log::Published& manifest) override;
    Health health() const override;
    const std::string& node() const override { return context_.log.options().node; }

  private:
    struct Partition {
        uint64_t assignment = 0;
        int64_t position = 0;         // everything before it was looked at
        int64_t committed = 0;        // as this process knows
        std::multiset<int64_t> open;  // first offsets of cells that are not in ClickHouse
    };
    using CellKey = std::pair<uint32_t, model::UploadId>;
    using Cells = std::map<CellKey, PartitionCell>;
    // What the control topic says of an upload.
    struct Announced {
        kafka_log::Published published;

        bool counts() const { return published.state != kafka_log::Published::State::abandoned; }
        bool is_complete() const {
            return published.state == kafka_log::Published::State::complete;
        }
        // Whether a row at this place is of this publication. Earlier ones, which were abandoned or
        // lost rows, may have had other partitions.
        bool has(uint32_t partition, int64_t offset) const;
        bool ends_before(uint32_t partition, int64_t position) const;
        // Whether all of its rows are there, and none of them can be at this place: somebody else
        // has sent them again, or made this one up.
        bool had_ended_before(uint32_t partition, int64_t offset) const;
    };

    void run(const std::stop_token& stop);
    void keep_tending(const std::stop_token& stop);
    Result<void> session(const std::stop_token& stop);
    Result<std::vector<kafka::Position>> assigned(const std::vector<int32_t>& partitions);
    void revoked(const std::vector<int32_t>& partitions);
    Result<void> take(const kafka::Message& message);
    void add_to_cell(const CellKey& key, const kafka::Message& message,
                     const avro::GameRound& round, Partition& state);
    const model::UploadId* upload_id_of(std::string_view text);
    Result<const Announced*> announced_at(const model::UploadId& id, uint32_t partition,
                                          int64_t offset);
    const Announced* announced(const model::UploadId& id);
    bool is_known_schema(int32_t id);
    void reject(const kafka::Message& message, std::string_view reason, std::string detail);
    void close_cell(Cells::iterator cell, int64_t wait_ms);
    void drop_cell(Cells::iterator cell);
    void close_finished();
    void write();
    void give(size_t shard);
    bool is_full(size_t shard) const;
    void take_done();
    Result<void> commit(bool now);
    Result<void> keep_dead_letters();
    Result<void> count_dead_letters();
    Result<void> hold_back();

    const GroupSinkContext context_;
    const std::string topic_;
    DeadLetters dead_letters_;
    GroupErrors errors_;
    std::vector<std::unique_ptr<ShardWriter>> writers_;  // one a shard
    std::unique_ptr<kafka::Admin> admin_;

    // Of the thread.
    std::unique_ptr<kafka::Consumer> consumer_;
    uint64_t assignments_ = 0;
    std::map<uint32_t, Partition> partitions_;  // that are assigned now
    Cells open_;
    std::vector<std::vector<PartitionCell>> complete_;  // by shard: not given to the writer yet
    std::vector<size_t> complete_rows_;
    std::vector<int64_t> due_at_;  // when they are given even if they are few; monotonic
    std::vector<DeadLetter> letters_;
    std::map<model::UploadId, Announced> announced_;  // as long as the control topic stays the same
    UnfinishedUploads unfinished_;
    UnreadPartitions unread_;
    std::map<int32_t, bool> schemas_;
    std::string last_upload_text_;
    model::UploadId last_upload_id_;
    uint64_t control_seen_ = 0;
    bool caught_up_ = false;  // with the control topic, since the last poll
    bool paused_ = false;
    bool undurable_ = false;  // something is in ClickHouse since the last sync
    int64_t committed_at_ = 0;

    int64_t count_letters_at_ = 0;  // of the thread that tends
    std::atomic<bool> tend_soon_ = false;
    std::atomic<bool> counts_letters_ = true;
    mutable std::mutex mutex_;  // guards all below but the thread
    std::condition_variable_any wake_;
    bool begun_ = false;
    Health health_;                        // without last_error
    std::map<uint32_t, int64_t> durable_;  // by partition of this process: committed offsets

    RetentionLosses losses_;
    GroupOffsets group_offsets_;
    std::jthread thread_;
};

}  // namespace rh::sink
