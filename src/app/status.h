// What the parts of a running server say of themselves: the checks of /readyz and the text of
// /metrics. Any thread.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "api/health.h"
#include "app/auditor.h"
#include "app/bring_up.h"
#include "app/metrics.h"
#include "app/pipeline.h"
#include "clickhouse/store.h"
#include "publish/publisher.h"
#include "receive/receiver.h"
#include "sink/lost_uploads.h"
#include "sink/topic_consumer.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"

namespace rh::app {

// All outlive the Status.
struct StatusContext {
    const clickhouse::Store& store;
    const BringUp& bring_up;
    const uploads::Ledger& ledger;
    const uploads::Layout& layout;
    const receive::Receiver& receiver;
    const publish::Publisher& publisher;
    const Pipeline& pipeline;
    const Auditor& auditor;
    const sink::LostUploads& lost;
    const sink::TopicConsumer* consumer;  // of the log in Kafka; null: the log is the embedded one
    const RequestMetrics& requests;
    uint64_t free_disk_bytes_min;
};

class Status {
  public:
    explicit Status(StatusContext context) : context_(context) {}

    std::vector<api::HealthCheck> checks() const;
    std::string metrics() const;
    // From here on the server is not ready: a load balancer sends nothing more while it drains.
    void set_stopping() { stopping_ = true; }

  private:
    void append_upload_metrics(std::string& out) const;
    void append_lag_metrics(std::string& out) const;
    void append_reject_metrics(std::string& out) const;
    void append_kafka_metrics(std::string& out) const;

    StatusContext context_;
    std::atomic<bool> stopping_ = false;
};

}  // namespace rh::app
