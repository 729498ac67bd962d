#include "app/auditor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/without_exceptions.h"
#include "sink/audit.h"
#include "sink/leftovers.h"

namespace rh::app {
namespace {

constexpr std::string_view kWarning = "audit_mismatch";
constexpr uint64_t kSweepIntervalS = 600;  // without audits
// How long after the end of an upload, or after the look before, its rows are looked for. An INSERT
// of rows from Kafka holds those of several uploads, so it is not ended with one of them.
constexpr std::array<int64_t, 4> kSweepAfterMs = {1'000, 5'000, 15'000, 60'000};

}  // namespace

Auditor::Auditor(const clickhouse::Store& store, uploads::Ledger& ledger,
                 const uploads::Layout& layout, const sink::Versions& versions,
                 sink::LostUploads& lost, uint64_t interval_s,
                 std::function<Result<bool>(const model::UploadId&)> is_foreign)
    : store_(store),
      ledger_(ledger),
      layout_(layout),
      versions_(versions),
      lost_(lost),
      interval_s_(interval_s),
      is_foreign_(std::move(is_foreign)),
      last_(INT64_MAX, model::UploadId{}),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

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
    bool swept = false;
    int64_t next_round = monotonic_ms();
    while (!stop.stop_requested()) {
        sweep_ended(stop);
        if (monotonic_ms() < next_round) {
            wait_until(next_round, stop);
            continue;
        }
        const auto done = without_exceptions([&]() -> Result<void> {
            RH_TRY(lost_.compare());
            RH_TRY(sweep_if_due());
            // The first comes an interval after the start, which has enough to do.
            const bool first = !std::exchange(swept, true);
            return first || interval_s_ == 0 ? Result<void>() : audit_next();
        });
        if (!done && !stop.stop_requested()) {
            log_event(LogLevel::warning, "an audit could not be made",
                      {{"code", done.error().code}, {"detail", done.error().message}});
        }
        const uint64_t interval_s = interval_s_ > 0 ? interval_s_ : kSweepIntervalS;
        next_round = monotonic_ms() + static_cast<int64_t>(interval_s) * 1'000;
    }
}

void Auditor::wait_until(int64_t time, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        const int64_t until = std::min(time, next_sweep_at());
        const int64_t now = monotonic_ms();
        if (now >= until) {
            return;
        }
        wake_.wait_for(lock, stop, std::chrono::milliseconds(until - now),
                       [&] { return next_sweep_at() < until; });
    }
}

int64_t Auditor::next_sweep_at() const {
    int64_t at = INT64_MAX;
    for (const auto& [id, ended] : to_sweep_) {
        at = std::min(at, ended.due_at);
    }
    return at;
}

void Auditor::sweep_soon(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    to_sweep_[id] = {.due_at = monotonic_ms() + kSweepAfterMs[0]};
    wake_.notify_all();
}

void Auditor::sweep_ended(const std::stop_token& stop) {
    std::vector<model::UploadId> due;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, ended] : to_sweep_) {
            if (ended.due_at <= monotonic_ms()) {
                due.push_back(id);
            }
        }
    }
    Result<void> swept;
    for (const model::UploadId& id : due) {
        if (swept && !stop.stop_requested()) {
            swept = without_exceptions([&]() -> Result<void> {
                RH_ASSIGN(const bool left, sink::has_uncommitted_rows(store_, id));
                return left ? sweep(id) : Result<void>();
            });
        }
        const std::scoped_lock lock(mutex_);
        Ended& ended = to_sweep_[id];
        ended.sweeps += swept ? 1 : 0;
        if (ended.sweeps == kSweepAfterMs.size()) {
            to_sweep_.erase(id);
        } else {
            ended.due_at =
                monotonic_ms() + (swept ? kSweepAfterMs[ended.sweeps] : kSweepAfterMs.back());
        }
    }
    if (!swept && !stop.stop_requested()) {
        log_event(LogLevel::warning,
                  "what uploads that are not stored left in ClickHouse is looked for again",
                  {{"uploads", due.size()},
                   {"code", swept.error().code},
                   {"detail", swept.error().message}});
    }
}

Result<void> Auditor::sweep_if_due() {
    RH_ASSIGN(uploads::StateCounts counts, ledger_.count_by_state());
    for (const auto state : {uploads::State::validating, uploads::State::publishing,
                             uploads::State::storing, uploads::State::stored}) {
        counts[static_cast<size_t>(state)] = 0;  // these may come and go
    }
    if (std::exchange(ended_, counts) != counts) {
        sweeps_due_ = kSweeps;
    }
    if (sweeps_due_ == 0) {
        return {};
    }
    RH_ASSIGN(const auto found, sink::uncommitted_uploads(store_));
    for (const model::UploadId& id : found) {
        RH_TRY(sweep(id));
    }
    --sweeps_due_;
    return {};
}

Result<void> Auditor::sweep(const model::UploadId& id) {
    const auto held = layout_.lock(id);  // so that the same file sent again begins after this
    RH_ASSIGN(const auto upload, ledger_.find(id));
    if (upload && !uploads::may_start_again(upload->state)) {
        return {};
    }
    if (is_foreign_) {
        RH_ASSIGN(const bool is_foreign, is_foreign_(id));
        if (is_foreign) {
            return {};
        }
    } else if (!upload && store_.is_cluster()) {
        RH_TRY(versions_.check_tables());  // another server's, which should not be there
    }
    RH_TRY(sink::delete_rows(store_, id, [&]() -> Result<void> {
        if (!is_foreign_) {
            return {};
        }
        RH_ASSIGN(const bool is_foreign, is_foreign_(id));
        return is_foreign ? fail(ErrorKind::conflict, "upload_taken_over",
                                 "Another process has the upload by now.", Verdict::retry)
                          : Result<void>();
    }));
    log_event(LogLevel::info, "rows of an upload that is not stored were removed",
              {{"upload_id", model::to_string(id)},
               {"state", std::string(upload ? uploads::name(upload->state) : "unknown")}});
    return {};
}

Result<void> Auditor::audit_next() {
    const uploads::Ledger::ListFilter filter{
        .state = uploads::State::stored, .filename = {}, .sha256 = {}, .limit = 1, .after = last_};
    RH_ASSIGN(auto found, ledger_.list(filter));
    if (found.empty()) {
        last_ = {INT64_MAX, model::UploadId{}};  // the oldest was seen: round again
        sweeps_due_ = kSweeps;
        return {};
    }
    uploads::Upload& upload = found.front();
    last_ = {upload.created_at, upload.id};
    RH_ASSIGN(const Found audited, audit(upload));
    const std::string& wrong = audited.wrong;
    lost_.note(upload.id, audited.lost);
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

Result<Auditor::Found> Auditor::audit(const uploads::Upload& upload) const {
    RH_ASSIGN(const auto tables,
              sink::stored_totals(store_, upload.id, upload.created_ms_min, upload.created_ms_max));
    Found found{.wrong = sink::differences(tables, upload.totals)};
    found.lost = upload.totals.rows > 0 && std::ranges::any_of(tables, [](const auto& table) {
                     return table.by_hour && table.totals.rows == 0;
                 });
    RH_ASSIGN(const Found invisible, audit_visibility(upload));
    if (!invisible.wrong.empty()) {
        found.wrong += (found.wrong.empty() ? "" : " ") + invisible.wrong;
        found.lost = found.lost || invisible.lost;
    }
    return found;
}

Result<Auditor::Found> Auditor::audit_visibility(const uploads::Upload& upload) const {
    Found found;
    for (size_t shard = 0; shard < store_.shards(); ++shard) {
        RH_ASSIGN(const Found here, audit_visibility_on(shard, upload));
        if (!here.wrong.empty()) {
            found.wrong += found.wrong.empty() ? "" : " ";
            found.wrong += store_.is_cluster()
                               ? fmt::format("On {}: {}", store_.name(shard), here.wrong)
                               : here.wrong;
            found.lost = found.lost || here.lost;
        }
    }
    return found;
}

// While a version is being made, ClickHouse is ahead of the ledger: then this looks another time.
Result<Auditor::Found> Auditor::audit_visibility_on(size_t shard,
                                                    const uploads::Upload& upload) const {
    RH_ASSIGN(const auto seen, sink::visible_versions(store_.owner(shard), upload.id));
    for (const auto version : {seen ? seen->stored : 0, seen ? seen->voided : 0}) {
        RH_ASSIGN(const bool is_ahead, versions_.is_being_made(version));
        if (is_ahead) {
            return Found();
        }
    }
    RH_ASSIGN(const auto now, ledger_.find(upload.id));
    if (!now || now->voided_version != upload.voided_version) {
        return Found();
    }
    if (!seen) {
        return Found{.wrong = "The table uploads does not have it, so it counts nowhere.",
                     .lost = true};
    }
    const uint64_t stored = upload.stored_version.value_or(0);
    const uint64_t voided = upload.voided_version.value_or(UINT64_MAX);
    if (seen->stored == stored && seen->voided == voided) {
        return Found();
    }
    const auto range = [](uint64_t from, uint64_t to) {
        return to == UINT64_MAX ? fmt::format("from {} on", from)
                                : fmt::format("from {} to before {}", from, to);
    };
    return Found{
        .wrong = fmt::format("The table uploads lets it count in versions {}, the ledger {}.",
                             range(seen->stored, seen->voided), range(stored, voided)),
        .lost = seen->stored > stored || seen->voided < voided};
}

Auditor::Health Auditor::health() const {
    const std::scoped_lock lock(mutex_);
    return {audits_, mismatched_.size()};
}

}  // namespace rh::app
