// Stage 3 where the ClickHouse servers consume the topic themselves, by Kafka engine tables
// (queries/consumer/): this process only watches them. Their offsets are committed when the rows of
// a block are on the shards they belong to, so those tell when to make an upload's rollups
// (rollups.h); that nothing is missing is for the audit to say, as everywhere.
//
// One thread of its own; begin(), health() and has_taken() by any.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "clickhouse/store.h"
#include "kafka_log/control_topic.h"
#include "sink/dead_letters.h"
#include "sink/group_offsets.h"
#include "sink/letter_forwarder.h"
#include "sink/retention_losses.h"
#include "sink/topic_consumer.h"
#include "sink/unknown_rows.h"

namespace rh::sink {

struct EngineConsumerContext {
    const clickhouse::Store& store;
    kafka_log::ControlTopic& control;
    kafka::Cluster cluster;
    std::string topic;
    std::string group;  // of the engine tables
    std::string node;   // of this process
    // Called about once a second, for what belongs to no upload of this process.
    std::function<Result<void>()> tend;
};

class EngineConsumer : public TopicConsumer {
  public:
    explicit EngineConsumer(EngineConsumerContext context);
    ~EngineConsumer() override;

    void begin() override;
    void request_stop() override { thread_.request_stop(); }
    void tend_soon() override;
    const std::string& node() const override { return context_.node; }
    Result<bool> has_taken(const kafka_log::Published& manifest) override {
        return offsets_.are_past(manifest);
    }
    Health health() const override;

  private:
    void run(const std::stop_token& stop);
    Result<void> look();
    Result<void> look_at_servers();
    Result<void> count_dead_letters();
    Result<void> look_closely(const LetterForwarder::Offsets& taken);
    Result<LetterForwarder::Offsets> look_at_topic();
    void note_error(const Error& error);

    const EngineConsumerContext context_;
    RetentionLosses losses_;
    GroupOffsets offsets_;
    DeadLetters dead_letters_;
    LetterForwarder forwarder_;
    UnknownRows unknown_rows_;

    // Of the thread.
    std::unique_ptr<kafka::Admin> admin_;
    int64_t looked_closely_at_ = INT64_MIN / 2;

    mutable std::mutex mutex_;  // guards all below but the thread
    std::condition_variable_any wake_;
    bool begun_ = false;
    bool tend_soon_ = false;
    Health health_;
    std::jthread thread_;
};

}  // namespace rh::sink
