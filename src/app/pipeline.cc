#include "app/pipeline.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"

namespace rh::app {
namespace {

constexpr auto kPublishRetry = std::chrono::seconds(2);
constexpr auto kCancelWait = std::chrono::seconds(10);

}  // namespace

Pipeline::Pipeline(Context context)
    : context_(std::move(context)),
      sink_(sink::SinkContext{
          .log = context_.log,
          .owner = context_.owner,
          .ledger = context_.ledger,
          .versions = context_.versions,
          .make_durable = context_.make_durable,
          .republish = [this](const model::UploadId& id) { return republish(id); },
          .on_progress =
              [this](const uploads::Upload& upload, uint64_t rows) {
                  context_.board.set(upload.id, uploads::State::storing,
                                     {"storing", rows, upload.bytes, upload.bytes});
                  const std::scoped_lock lock(mutex_);
                  health_.last_store_error.reset();
              },
          .is_cancelled =
              [this](const model::UploadId& id) {
                  const std::scoped_lock lock(mutex_);
                  return cancelled_while_storing_.contains(id);
              },
          .on_retry =
              [this](const Error& error) {
                  const std::scoped_lock lock(mutex_);
                  ++health_.store_retries;
                  health_.last_store_error = error;
              },
      }) {}

Pipeline::~Pipeline() { stop(); }

Result<void> Pipeline::start() {
    RH_TRY(context_.versions.recover());
    RH_ASSIGN(const auto unfinished, context_.ledger.unfinished());
    for (const auto& upload : unfinished) {
        context_.board.set(upload.id, upload.state,
                           {uploads::name(upload.state), 0, 0, upload.bytes});
        (upload.state == uploads::State::storing ? to_store_ : to_publish_).push_back(upload.id);
    }
    publisher_thread_ = std::jthread([this](const std::stop_token& stop) { run_publisher(stop); });
    sink_thread_ = std::jthread([this](const std::stop_token& stop) { run_sink(stop); });
    return {};
}

void Pipeline::stop() {
    publisher_thread_.request_stop();
    sink_thread_.request_stop();
    context_.publisher.stop();
    if (publisher_thread_.joinable()) {
        publisher_thread_.join();
    }
    if (sink_thread_.joinable()) {
        sink_thread_.join();
    }
}

std::optional<model::UploadId> Pipeline::take(Queue& queue, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&queue] { return !queue.empty(); });
    if (stop.stop_requested()) {
        return std::nullopt;
    }
    const model::UploadId id = queue.front();
    queue.pop_front();
    return id;
}

void Pipeline::run_publisher(const std::stop_token& stop) {
    while (const auto id = take(to_publish_, stop)) {
        const auto state = context_.publisher.run(*id);
        if (!state) {
            if (stop.stop_requested()) {
                return;
            }
            log_event(LogLevel::error, "publishing an upload is tried again",
                      {{"upload_id", model::to_string(*id)},
                       {"code", state.error().code},
                       {"detail", state.error().message}});
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, stop, kPublishRetry, [] { return false; });
            to_publish_.push_back(*id);
        } else if (*state == uploads::State::storing) {
            const std::scoped_lock lock(mutex_);
            to_store_.push_back(*id);
            changed_.notify_all();
        }
    }
}

void Pipeline::run_sink(const std::stop_token& stop) {
    while (const auto id = take(to_store_, stop)) {
        const auto outcome = sink_.store(*id, stop);
        if (outcome != sink::Outcome::stopped) {
            finish_on_board(*id);
        }
        const std::scoped_lock lock(mutex_);
        cancelled_while_storing_.erase(*id);
        health_.last_store_error.reset();
        changed_.notify_all();
    }
}

void Pipeline::finish_on_board(const model::UploadId& id) {
    const auto upload = find(id);
    if (!upload) {
        return;  // deleted meanwhile: the board has forgotten it
    }
    context_.board.set(
        id, upload->state,
        {uploads::name(upload->state), upload->rows.read, upload->bytes, upload->bytes});
    log_event(LogLevel::info, "upload finished",
              {{"upload_id", model::to_string(id)},
               {"state", std::string(uploads::name(upload->state))},
               {"rows", std::to_string(upload->rows.accepted)},
               {"trace_id", upload->trace_id}});
    if (upload->state == uploads::State::stored) {
        const std::scoped_lock lock(mutex_);
        health_.rows_stored += upload->rows.accepted;
    }
}

// Back to the original, as the sink's second repair: the log is written anew under the next epoch.
Result<void> Pipeline::republish(const model::UploadId& id) {
    RH_ASSIGN(auto upload, find(id));
    if (upload.state == uploads::State::storing) {
        ++upload.epoch;
        upload.checkpoint_cell = 0;
        upload.state = uploads::State::validating;
        RH_TRY(context_.ledger.update(upload, uploads::State::storing));
    }
    RH_ASSIGN(const auto state, context_.publisher.run(id));
    if (state != uploads::State::storing) {
        log_event(
            LogLevel::error, "an upload could not be published again",
            {{"upload_id", model::to_string(id)}, {"state", std::string(uploads::name(state))}});
    }
    return {};
}

Result<uploads::Upload> Pipeline::find(const model::UploadId& id) const {
    RH_ASSIGN(auto upload, context_.ledger.find(id));
    if (!upload) {
        return fail(ErrorKind::not_found, "upload_not_found",
                    fmt::format("There is no upload {}.", model::to_string(id)));
    }
    return std::move(*upload);
}

void Pipeline::submit(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    to_publish_.push_back(id);
    changed_.notify_all();
}

Result<uploads::Upload> Pipeline::cancel(const model::UploadId& id) {
    RH_ASSIGN(auto upload, find(id));
    if (upload.state != uploads::State::storing) {
        return context_.publisher.cancel(id);
    }
    // Its rows may be in ClickHouse: the sink takes them out before it says cancelled.
    {
        std::unique_lock lock(mutex_);
        cancelled_while_storing_.insert(id);
        changed_.wait_for(lock, kCancelWait,
                          [&] { return !cancelled_while_storing_.contains(id); });
    }
    RH_ASSIGN(upload, find(id));
    if (uploads::is_final(upload.state)) {  // it ended before the sink could see the mark
        const std::scoped_lock lock(mutex_);
        cancelled_while_storing_.erase(id);
    }
    if (upload.state == uploads::State::stored) {
        return fail(ErrorKind::conflict, "upload_finished",
                    "The upload was stored before it could be cancelled; void it to take it out of "
                    "the figures.");
    }
    return upload;
}

Result<void> Pipeline::remove(const model::UploadId& id) {
    RH_ASSIGN(auto upload, find(id));
    if (!uploads::is_final(upload.state)) {
        RH_ASSIGN(upload, cancel(id));
    }
    if (!uploads::is_final(upload.state)) {
        return fail(ErrorKind::unavailable, "upload_running",
                    "The upload is being cancelled; send the DELETE again in a moment.",
                    Verdict::retry);
    }
    RH_TRY(context_.layout.remove(context_.ledger, id, [&] { return context_.log.remove(id); }));
    context_.board.forget(id);
    return {};
}

Result<uploads::Upload> Pipeline::void_upload(const model::UploadId& id) {
    RH_ASSIGN(auto upload, context_.versions.commit_voided(id));
    log_event(LogLevel::info, "upload voided", {{"upload_id", model::to_string(id)}});
    return upload;
}

Result<uploads::Upload> Pipeline::wait_final(const model::UploadId& id, unsigned seconds,
                                             const std::function<bool()>& stopping) {
    const int64_t deadline = monotonic_ms() + static_cast<int64_t>(seconds) * 1000;
    uint64_t last_seen = 0;
    while (true) {
        RH_ASSIGN(auto upload, find(id));
        const int64_t left_ms = deadline - monotonic_ms();
        if (uploads::is_final(upload.state) || left_ms <= 0 || stopping()) {
            return upload;
        }
        // At most a second, so that a server that stops is noticed.
        const auto change = context_.board.wait_for_change(
            id, last_seen, std::chrono::milliseconds(std::min<int64_t>(left_ms, 1000)));
        last_seen = change ? change->number : last_seen;
    }
}

Pipeline::Health Pipeline::health() const {
    const std::scoped_lock lock(mutex_);
    Health health = health_;
    health.waiting_to_publish = to_publish_.size();
    health.waiting_to_store = to_store_.size();
    return health;
}

}  // namespace rh::app
