// Tells the other processes what this one's ledger says of files that it was sent, from their
// arrival until they are stored (from then on the control topic has their `stored` record), so that
// each of them can answer for all. One thread, now and then.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "base/result.h"
#include "kafka_log/control_topic.h"
#include "uploads/ledger.h"

namespace rh::sink {

class Announcer {
  public:
    // `node` names this process.
    Announcer(const uploads::Ledger& ledger, kafka_log::ControlTopic& control, std::string node)
        : ledger_(ledger), control_(control), node_(std::move(node)) {}

    Result<void> tend();

  private:
    Result<void> say(const uploads::Upload& upload);

    const uploads::Ledger& ledger_;
    kafka_log::ControlTopic& control_;
    const std::string node_;
    std::set<model::UploadId> too_large_;  // for the brokers, and people were told
    uploads::StateCounts told_{};          // how many uploads were in which state when all was said
};

}  // namespace rh::sink
