// Versions when the log is in Kafka: the control topic numbers them for all processes, and whoever
// makes one writes the rows of `uploads` for it and for those before it that are not visible yet.
// When a process dies in between, another one does that for it (tend()).
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kafka_log/control_topic.h"
#include "sink/versions.h"

namespace rh::sink {

class TopicVersions : public Versions {
  public:
    // `node` names this process.
    TopicVersions(const clickhouse::Store& store, uploads::Ledger& ledger,
                  kafka_log::ControlTopic& control, std::string node)
        : store_(store), ledger_(ledger), control_(control), node_(std::move(node)) {}

    bool is_decided(const model::UploadId& id) const override {
        return control_.stored(id).has_value();
    }
    Result<bool> is_being_made(uint64_t version) const override;
    Result<void> commit_stored(uploads::Upload upload, int64_t withdrawn_at) override;
    int64_t withdrawn_at(const model::UploadId& id) const override {
        return control_.withdrawn_at(id);
    }
    Result<uploads::Upload> commit_voided(const model::UploadId& id) override;
    Result<void> check_tables() const override;
    Result<std::optional<model::UploadId>> recover() override;
    // Error unavailable upload_decided: its version was made, and stays.
    Result<void> withdraw(const model::UploadId& id) override;
    Result<void> check_undecided(const model::UploadId& id) const override;

    // Makes visible what others left so for some seconds, and tells the ledger what they stored and
    // voided. Called now and then.
    Result<void> tend();

  private:
    Result<void> not_stored(const model::UploadId& id) const;
    Result<void> replace_after_all(const uploads::Upload& upload);
    Result<void> settle();
    Result<void> learn();
    Result<void> learn_stored();
    Result<void> learn_voided();

    std::mutex mutex_;
    const clickhouse::Store& store_;
    uploads::Ledger& ledger_;
    kafka_log::ControlTopic& control_;
    const std::string node_;
    uint64_t left_ = 0;     // the last version that tend() found left so
    uint64_t learned_ = 0;  // the state of the control topic that the ledger knows
    std::vector<uploads::Upload> unlearned_;  // stored elsewhere, and on their way here
};

}  // namespace rh::sink
