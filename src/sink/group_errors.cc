#include "sink/group_errors.h"

#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace rh::sink {
namespace {

constexpr int64_t kLastsMs = 5'000;
constexpr int64_t kTwinMs = 60'000;

void log(const Error& error) {
    log_event(LogLevel::warning, "bringing rows from Kafka into ClickHouse is tried again",
              {{"code", error.code}, {"detail", error.message}});
}

}  // namespace

void GroupErrors::note_session(Error error) {
    const std::scoped_lock lock(mutex_);
    session_ = judged_by_history(std::move(error));
    log(*session_);
}

void GroupErrors::note_insert(Error error) {
    const std::scoped_lock lock(mutex_);
    insert_ = std::move(error);
    log(*insert_);
}

void GroupErrors::note_tending(std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    if (error && (!tending_ || tending_->code != error->code)) {
        log_event(LogLevel::warning, "telling shards and processes what counts is tried again",
                  {{"code", error->code}, {"detail", error->message}});
    }
    tending_ = std::move(error);
}

void GroupErrors::note_unread(std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    unread_ = std::move(error);
}

void GroupErrors::rows_came() {
    const std::scoped_lock lock(mutex_);
    session_.reset();
    insert_.reset();
}

void GroupErrors::look(int64_t session_ms, bool inserts) {
    const std::scoped_lock lock(mutex_);
    if (session_ms > kLastsMs) {
        session_.reset();
    }
    if (!inserts) {
        insert_.reset();
    }
}

std::optional<Error> GroupErrors::last() const {
    const std::scoped_lock lock(mutex_);
    return session_ ? session_ : insert_ ? insert_ : tending_ ? tending_ : unread_;
}

// A coordinator that was lost may take a member for another one of its name, once. Two processes of
// one name push each other out again and again.
Error GroupErrors::judged_by_history(Error error) {
    if (error.code != "kafka_name_taken") {
        return error;
    }
    const int64_t now = monotonic_ms();
    const auto before = std::exchange(fenced_at_, now);
    if (before && now - *before < kTwinMs) {
        return error;
    }
    return {.kind = ErrorKind::unavailable,
            .code = "kafka_unavailable",
            .message =
                "Kafka: the group's coordinator has given the place of this process away, "
                "as it may after a broker was lost. It joins again.",
            .verdict = Verdict::retry};
}

}  // namespace rh::sink
