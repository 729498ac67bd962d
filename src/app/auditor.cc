#include "app/auditor.h"

#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "base/without_exceptions.h"
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

void Auditor::begin() {
    const std::scoped_lock lock(mutex_);
    begun_ = true;
    wake_.notify_all();
}

void Auditor::run(const std::stop_token& stop) {
    {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, stop, [this] { return begun_; });
    }
    bool counted = false;
    while (!stop.stop_requested()) {
        const auto done = without_exceptions([&]() -> Result<void> {
            if (!counted) {
                RH_TRY(count_uploads());
                counted = true;
                return {};
            }
            return audit_next();
        });
        if (!done && !stop.stop_requested()) {
            log_event(LogLevel::warning, "an audit could not be made",
                      {{"code", done.error().code}, {"detail", done.error().message}});
        }
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, stop, std::chrono::seconds(interval_s_), [] { return false; });
    }
}

Result<void> Auditor::count_uploads() {
    RH_ASSIGN(const uint64_t version, ledger_.current_version());
    RH_ASSIGN(const auto states, ledger_.count_by_state());
    RH_ASSIGN(const uint64_t known, sink::uploads_known(owner_, version));
    RH_ASSIGN(const uint64_t version_now, ledger_.current_version());
    const uint64_t stored = states[static_cast<size_t>(uploads::State::stored)];
    if (version_now != version || known >= stored) {
        return {};  // a change in between makes the two counts of different times
    }
    log_event(
        LogLevel::error,
        "ClickHouse does not have all uploads that were stored, so their figures are missing; "
        "its directory was lost or is an old one: restore it, or void them and send the files "
        "again with allow_duplicate",
        {{"stored", std::to_string(stored)}, {"in_clickhouse", std::to_string(known)}});
    const std::scoped_lock lock(mutex_);
    missing_ = stored - known;
    return {};
}

Result<void> Auditor::audit_next() {
    const uploads::Ledger::ListFilter filter{
        .state = uploads::State::stored, .filename = {}, .sha256 = {}, .limit = 1, .after = last_};
    RH_ASSIGN(auto found, ledger_.list(filter));
    if (found.empty()) {
        last_ = {INT64_MAX, model::UploadId{}};  // the oldest was seen: round again
        return {};
    }
    uploads::Upload& upload = found.front();
    last_ = {upload.created_at, upload.id};
    RH_ASSIGN(const std::string wrong, audit(upload));
    {
        const std::scoped_lock lock(mutex_);
        ++audits_;
        if (wrong.empty()) {
            mismatched_.erase(upload.id);
            return {};
        }
        mismatched_.insert(upload.id);
    }
    log_event(LogLevel::error, "stored rows are not what the manifest says",
              {{"upload_id", model::to_string(upload.id)}, {"detail", wrong}});
    uploads::Warning warning;
    warning.code = kWarning;
    warning.count = 1;
    warning.detail = fmt::format(
        "{} Someone or something changed ClickHouse's tables; reconcile the upload to see where.",
        wrong);
    return ledger_.add_warnings(upload.id, {warning});
}

Result<std::string> Auditor::audit(const uploads::Upload& upload) const {
    RH_ASSIGN(const auto tables,
              sink::stored_totals(owner_, upload.id, upload.created_ms_min, upload.created_ms_max));
    std::string wrong = sink::differences(tables, upload.totals);
    RH_ASSIGN(const std::string invisible, audit_visibility(upload));
    if (!invisible.empty()) {
        wrong += (wrong.empty() ? "" : " ") + invisible;
    }
    return wrong;
}

// While a version is being made, ClickHouse is ahead of the ledger: then this looks another time.
Result<std::string> Auditor::audit_visibility(const uploads::Upload& upload) const {
    RH_ASSIGN(const auto seen, sink::visible_versions(owner_, upload.id));
    RH_ASSIGN(const auto open, ledger_.open_reservation());
    RH_ASSIGN(const auto now, ledger_.find(upload.id));
    if (open || !now || now->voided_version != upload.voided_version) {
        return std::string();
    }
    if (!seen) {
        return std::string("The table uploads does not have it, so it counts nowhere.");
    }
    const uint64_t stored = upload.stored_version.value_or(0);
    const uint64_t voided = upload.voided_version.value_or(UINT64_MAX);
    if (seen->stored == stored && seen->voided == voided) {
        return std::string();
    }
    const auto range = [](uint64_t from, uint64_t to) {
        return to == UINT64_MAX ? fmt::format("from {} on", from)
                                : fmt::format("from {} to before {}", from, to);
    };
    return fmt::format("The table uploads lets it count in versions {}, the ledger {}.",
                       range(seen->stored, seen->voided), range(stored, voided));
}

Auditor::Health Auditor::health() const {
    const std::scoped_lock lock(mutex_);
    return {audits_, mismatched_.size(), missing_};
}

}  // namespace rh::app
