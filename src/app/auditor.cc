#include "app/auditor.h"

#include <chrono>
#include <condition_variable>

#include <fmt/format.h>

#include "base/log.h"
#include "sink/audit.h"

namespace rh::app {
namespace {

constexpr std::string_view kWarning = "audit_mismatch";

}  // namespace

Auditor::Auditor(const clickhouse::Client& owner, uploads::Ledger& ledger, uint64_t interval_s)
    : owner_(owner), ledger_(ledger), interval_s_(interval_s), last_(INT64_MAX, model::UploadId{}) {
    if (interval_s_ > 0) {
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
}

Auditor::~Auditor() = default;

void Auditor::run(const std::stop_token& stop) {
    std::mutex sleeping;
    std::condition_variable_any wake;
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(sleeping);
            wake.wait_for(lock, stop, std::chrono::seconds(interval_s_), [] { return false; });
        }
        if (!stop.stop_requested()) {
            audit_next();
        }
    }
}

void Auditor::audit_next() {
    const uploads::Ledger::ListFilter filter{
        .state = uploads::State::stored, .filename = {}, .sha256 = {}, .limit = 1, .after = last_};
    auto found = ledger_.list(filter);
    if (!found || found->empty()) {
        last_ = {INT64_MAX, model::UploadId{}};  // the oldest was seen: round again
        return;
    }
    uploads::Upload& upload = found->front();
    last_ = {upload.created_at, upload.id};
    const auto tables =
        sink::stored_totals(owner_, upload.id, upload.created_ms_min, upload.created_ms_max);
    if (!tables) {
        log_event(LogLevel::warning, "an audit could not be made",
                  {{"upload_id", model::to_string(upload.id)}, {"detail", tables.error().message}});
        return;
    }
    const std::string differences = sink::differences(*tables, upload.totals);
    {
        const std::scoped_lock lock(mutex_);
        ++audits_;
        if (differences.empty()) {
            mismatched_.erase(upload.id);
            return;
        }
        mismatched_.insert(upload.id);
    }
    log_event(LogLevel::error, "stored rows are not what the manifest says",
              {{"upload_id", model::to_string(upload.id)}, {"detail", differences}});
    std::erase_if(upload.warnings, [](const auto& warning) { return warning.code == kWarning; });
    uploads::Warning warning;
    warning.code = kWarning;
    warning.count = 1;
    warning.detail = fmt::format(
        "{} Someone or something changed ClickHouse's tables; reconcile the upload to see where.",
        differences);
    upload.warnings.push_back(std::move(warning));
    if (const auto added = ledger_.add_warnings(upload.id, upload.warnings); !added) {
        log_event(LogLevel::error, "a warning could not be written",
                  {{"detail", added.error().message}});
    }
}

Auditor::Health Auditor::health() const {
    const std::scoped_lock lock(mutex_);
    return {audits_, mismatched_.size()};
}

}  // namespace rh::app
