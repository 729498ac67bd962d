// What a server has in place of the embedded log when its log is in Kafka: the topics, the versions
// that they number, and what brings rows into ClickHouse.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "app/config.h"
#include "base/result.h"
#include "clickhouse/store.h"
#include "kafka_log/control_topic.h"
#include "kafka_log/kafka_log.h"
#include "log/embedded_log.h"
#include "sink/announcer.h"
#include "sink/sink.h"
#include "sink/topic_consumer.h"
#include "sink/topic_versions.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"

namespace rh::app {

class KafkaParts : public sink::Peers {
  public:
    // All arguments outlive the parts; `staged` is where rows are until they are in the topic. Asks
    // nothing of Kafka yet. Errors: invalid_request kafka_setting, bad_setting.
    static Result<std::unique_ptr<KafkaParts>> open(const Config& config, const std::string& data,
                                                    log::EmbeddedLog& staged,
                                                    const clickhouse::Store& store,
                                                    uploads::Ledger& ledger,
                                                    const uploads::Layout& layout);

    // Whether a server with its log in Kafka ever ran on the data directory.
    static bool was_used(const std::string& data);
    // Of a data directory in which no upload is: it may begin with another log.
    static Result<void> forget(const std::string& data);

    kafka_log::KafkaLog& log() { return log_; }
    sink::TopicVersions& versions() { return versions_; }
    sink::TopicConsumer& consumer() { return *consumer_; }
    ~KafkaParts() override { request_stop(); }
    // Nothing waits much longer for brokers that do not answer.
    void request_stop() {
        consumer_->request_stop();
        stopping_.request_stop();
    }
    Result<bool> have_taken(const model::UploadId& id) override;
    bool is_ours(const model::UploadId& id) const override { return log_.is_ours(id); }
    Result<bool> has_owned(const model::UploadId& id, uint64_t tenure) override;
    uint64_t tenure(const model::UploadId& id) const override { return control_.tenure(id); }
    std::string owner(const model::UploadId& id) const override { return log_.owner(id); }
    Result<void> take_over(const model::UploadId& id, const std::string& mark) override {
        return log_.take_over(id, mark);
    }
    std::string owner_mark(const model::UploadId& id) const override { return log_.owner_mark(id); }
    Result<void> say_at_work(const model::UploadId& id) override;
    std::optional<Error> trouble() const override { return control_.trouble(); }
    void tell() override { consumer_->tend_soon(); }
    std::optional<uploads::Upload> find_elsewhere(const model::UploadId& id) const override;
    // Rows of it in ClickHouse may belong to another process that has received, publishes or stores
    // it. Asks the brokers for the last word.
    Result<bool> is_foreign(const model::UploadId& id);

  private:
    KafkaParts(const Config& config, kafka_log::KafkaLogOptions options, std::stop_source stopping,
               log::EmbeddedLog& staged, const clickhouse::Store& store, uploads::Ledger& ledger,
               const uploads::Layout& layout);
    Result<void> tend();
    Result<void> abandon_ended();
    Result<bool> has_ended(const model::UploadId& id) const;

    uploads::Ledger& ledger_;
    const uploads::Layout& layout_;
    std::stop_source stopping_;  // of all that options.cluster makes
    kafka_log::ControlTopic control_;
    kafka_log::KafkaLog log_;
    sink::TopicVersions versions_;
    sink::Announcer announcer_;
    // Of the thread that tends.
    std::set<model::UploadId> ended_;             // that abandon_ended() saw the last time
    model::UploadId tried_;                       // by it, the last time
    std::optional<int64_t> looked_for_ended_at_;  // monotonic
    std::unique_ptr<sink::TopicConsumer> consumer_;
};

}  // namespace rh::app
