#include "app/bring_up.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sleep.h"
#include "sink/level.h"

namespace rh::app {
namespace {

constexpr int64_t kRetryMsFirst = 100;
constexpr int64_t kRetryMsMax = 5'000;

}  // namespace

Result<std::optional<model::UploadId>> BringUp::run(const std::stop_token& stop) {
    const int64_t begun = monotonic_ms();
    int64_t retry_ms = kRetryMsFirst;
    while (true) {
        const uint64_t restarts = store_.restarts();
        auto holder = attempt(stop);
        if (holder) {
            stage_ = Stage::ready;
            log_event(LogLevel::info, "ready", {{"ms", monotonic_ms() - begun}});
            on_ready_();
            return holder;
        }
        if (stop.stop_requested()) {
            return fail(ErrorKind::unavailable, "stopping", "The server is stopping.",
                        Verdict::retry);
        }
        // What a dying ClickHouse says of a statement is not its last word.
        const bool judged =
            stage_ == Stage::starting || (store_.is_up() && store_.restarts() == restarts);
        if (holder.error().verdict != Verdict::retry && judged) {
            stage_ = Stage::failed;
            return holder;
        }
        const bool is_kafkas = stage_ == Stage::connecting;
        {
            const std::lock_guard lock(mutex_);
            (is_kafkas ? kafka_failure_ : clickhouse_failure_) = holder.error().message;
        }
        if (!is_kafkas) {
            stage_ = Stage::starting;
        }
        log_event(LogLevel::warning, "preparing ClickHouse and the log is tried again",
                  {{"code", holder.error().code},
                   {"detail", holder.error().message},
                   {"retry_ms", retry_ms}});
        sleep_unless_stopped(stop, retry_ms);
        retry_ms = std::min(retry_ms * 2, kRetryMsMax);
    }
}

Result<std::optional<model::UploadId>> BringUp::attempt(const std::stop_token& stop) {
    RH_TRY(store_.wait_until_up(stop));
    stage_ = Stage::migrating;
    RH_TRY(store_.migrate());
    if (log_.connect) {
        stage_ = Stage::connecting;
        RH_TRY(log_.connect());
    }
    stage_ = Stage::recovering;
    // Before anything is written: they may be another installation's.
    RH_TRY(versions_.check_tables());
    RH_TRY(sink::level_uploads(store_));
    RH_ASSIGN(auto holder, versions_.recover());
    RH_TRY(lost_.compare());
    return holder;
}

std::string BringUp::reason() const {
    const auto tried_again = [this](const std::string& failure) {
        const std::lock_guard lock(mutex_);
        return failure.empty() ? "" : fmt::format("; tried again: {}", failure);
    };
    switch (stage_.load()) {
        case Stage::starting:
            return "clickhouse starting: it does not answer as it should yet" +
                   tried_again(clickhouse_failure_);
        case Stage::migrating:
            return "clickhouse starting: its tables are brought up to date";
        case Stage::connecting:
            break;
        case Stage::recovering:
            return "clickhouse starting: what a crash left unfinished is settled";
        case Stage::ready:
            return "";
        case Stage::failed:
            return "clickhouse cannot be started; the server ends";
    }
    // An attempt takes half a minute to fail; why it will is known long before.
    std::string failed = tried_again(kafka_failure_);
    if (const std::string trouble = log_.trouble(); failed.empty() && !trouble.empty()) {
        failed = "; " + trouble;
    }
    return "kafka starting: topics and schema are looked for" + failed;
}

Result<void> BringUp::check() const {
    if (stage_ == Stage::ready) {
        return {};
    }
    if (store_.is_cluster()) {
        RH_TRY(store_.check());
    }
    return fail(
        ErrorKind::unavailable, "clickhouse_unavailable",
        fmt::format("ClickHouse is not ready ({}). Ask again in a moment; uploads are taken "
                    "meanwhile.",
                    reason()),
        Verdict::retry);
}

}  // namespace rh::app
