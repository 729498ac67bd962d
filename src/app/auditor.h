// The audit that made an upload stored, again and again over old uploads in the background: one
// upload each interval, oldest first and round again. It only reports (a warning on the upload, a
// metric, readiness): repairing what someone changed is a person's decision. One thread of its own.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "clickhouse/client.h"
#include "uploads/ledger.h"

namespace rh::app {

class Auditor {
  public:
    // interval_s 0: no background audit.
    Auditor(const clickhouse::Client& owner, uploads::Ledger& ledger, uint64_t interval_s);
    ~Auditor();

    struct Health {
        uint64_t audits = 0;  // since the start
        uint64_t mismatched =
            0;  // uploads whose last audit found other figures than their manifest
    };
    Health health() const;

  private:
    void run(const std::stop_token& stop);
    void audit_next();

    const clickhouse::Client& owner_;
    uploads::Ledger& ledger_;
    const uint64_t interval_s_;
    std::pair<int64_t, model::UploadId> last_;  // (created_at, id) audited last; the thread's own
    mutable std::mutex mutex_;                  // guards the two below
    uint64_t audits_ = 0;
    std::set<model::UploadId> mismatched_;
    std::jthread thread_;
};

}  // namespace rh::app
