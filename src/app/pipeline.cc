#include "app/pipeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/without_exceptions.h"
#include "receive/identity.h"
#include "sink/overlap.h"

namespace rh::app {
namespace {

constexpr auto kPublishRetry = std::chrono::seconds(2);
constexpr auto kCancelWait = std::chrono::seconds(10);

std::unexpected<Error> stored_before_cancel() {
    return fail(ErrorKind::conflict, "upload_finished",
                "The upload was stored before it could be cancelled; void it to take it out of "
                "the figures.");
}

}  // namespace

Pipeline::Pipeline(Context context)
    : context_(std::move(context)),
      sink_(sink::SinkContext{
          .log = context_.log,
          .store = context_.store,
          .ledger = context_.ledger,
          .versions = context_.versions,
          .peers = context_.peers,
          .republish = [this](const model::UploadId& id) { return republish(id); },
          .lock = [this](const model::UploadId& id) { return context_.layout.lock(id); },
          .on_progress =
              [this](const uploads::Upload& upload, uint64_t rows) {
                  context_.board.set(upload.id, uploads::State::storing,
                                     {"storing", rows, upload.bytes, upload.bytes});
                  const std::scoped_lock lock(mutex_);
                  health_.last_store_error.reset();
              },
          .is_cancelled = [this](const model::UploadId& id) { return is_marked_cancelled(id); },
          .on_retry =
              [this](const Error& error) {
                  const std::scoped_lock lock(mutex_);
                  ++health_.store_retries;
                  health_.last_store_error = error;
              },
      }) {}

Pipeline::~Pipeline() { stop(); }

Result<void> Pipeline::start() {
    RH_ASSIGN(const auto unfinished, context_.ledger.unfinished());
    for (const auto& upload : unfinished) {
        context_.board.set(upload.id, upload.state,
                           {uploads::name(upload.state), 0, 0, upload.bytes});
        (upload.state == uploads::State::storing ? to_store_ : to_publish_).push_back(upload.id);
    }
    workers_ = 2;
    const auto ended = [this] {
        const std::scoped_lock lock(mutex_);
        --workers_;
        changed_.notify_all();
    };
    publisher_thread_ = std::jthread([this, ended](const std::stop_token& stop) {
        run_publisher(stop);
        ended();
    });
    sink_thread_ = std::jthread([this, ended](const std::stop_token& stop) {
        run_sink(stop);
        ended();
    });
    return {};
}

void Pipeline::request_stop() {
    publisher_thread_.request_stop();
    sink_thread_.request_stop();
    context_.publisher.stop();
}

bool Pipeline::has_ended_within(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return workers_ == 0; });
}

void Pipeline::stop() {
    request_stop();
    if (publisher_thread_.joinable()) {
        publisher_thread_.join();
    }
    if (sink_thread_.joinable()) {
        sink_thread_.join();
    }
}

bool Pipeline::is_marked_cancelled(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    return cancelled_while_storing_.contains(id);
}

void Pipeline::push_once(Queue& queue, const model::UploadId& id) {
    if (std::ranges::find(queue, id) == queue.end()) {
        queue.push_back(id);
    }
}

void Pipeline::push_first(Queue& queue, const model::UploadId& id) {
    std::erase(queue, id);
    queue.push_front(id);
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
        publish_next(*id, stop);
    }
}

void Pipeline::publish_next(const model::UploadId& id, const std::stop_token& stop) {
    const int64_t begun_ms = monotonic_ms();
    const auto state = without_exceptions([&] {
        return context_.publisher.run(
            id, {.offer = [this](const auto& upload) { return offer_to_sink(upload); },
                 .overlaps =
                     [this](const auto& upload, const auto& game_hours) {
                         return overlaps_of_dry_run(upload, game_hours);
                     }});
    });
    const bool to_store = state && *state == uploads::State::storing;
    if (to_store ||
        (state && (*state == uploads::State::checked || *state == uploads::State::refused))) {
        stages_.observe(Stage::publish, monotonic_ms() - begun_ms);
    }
    if (state && *state > uploads::State::stored && *state != uploads::State::checked) {
        context_.on_not_stored(id);
    }
    {
        const std::scoped_lock lock(mutex_);
        if (to_store) {
            push_once(to_store_, id);
        } else if (ahead_) {
            to_discard_.push_back(*ahead_);
        }
        ahead_.reset();
        if (state || state.error().code == "upload_not_found") {  // deleted while it waited
            publish_errors_.erase(id);
        }
        changed_.notify_all();
    }
    // When the server stops, the next start goes on.
    if (!state && !stop.stop_requested() && state.error().code != "upload_not_found") {
        retry_publishing(id, state.error(), stop);
    }
}

void Pipeline::retry_publishing(const model::UploadId& id, const Error& error,
                                const std::stop_token& stop) {
    log_event(
        LogLevel::error, "publishing an upload is tried again",
        {{"upload_id", model::to_string(id)}, {"code", error.code}, {"detail", error.message}});
    std::unique_lock lock(mutex_);
    ++health_.publish_retries;
    // A conflict is another process's work on the same upload, which is no fault.
    const bool is_fault = error.kind != ErrorKind::conflict;
    const bool first_fault = is_fault && publish_errors_.insert_or_assign(id, error).second;
    if (const auto shown = context_.board.find(id)) {
        context_.board.set(id, shown->state, shown->progress);  // who follows it looks again
    }
    changed_.wait_for(lock, stop, kPublishRetry, [] { return false; });
    // Some of its rows may be in the log that processes share, whose readers wait for the rest. One
    // that fails again holds no others up.
    if (first_fault) {
        push_first(to_publish_, id);
    } else {
        push_once(to_publish_, id);
    }
}

// Only while the sink has nothing else to do: two uploads at once would need twice the memory, and
// the one that was published first shall be stored first.
publish::TakeRows Pipeline::offer_to_sink(const uploads::Upload& upload) {
    {
        const std::scoped_lock lock(mutex_);
        if (context_.peers != nullptr || !sink_is_idle_ || !to_store_.empty() ||
            !to_discard_.empty()) {
            return {};
        }
        ahead_ = upload.id;
    }
    return [ahead = sink_.begin_ahead(upload.id)](model::RowBatch& rows) { ahead->take(rows); };
}

Result<std::vector<uploads::Warning>> Pipeline::overlaps_of_dry_run(
    const uploads::Upload& upload, std::span<const model::GameHour> game_hours) const {
    RH_TRY(context_.bring_up.check());
    RH_ASSIGN(const uint64_t version, context_.ledger.current_version());
    return sink::overlaps_of_file(
        context_.store, game_hours,
        {receive::in_earnest(upload).id, upload.request.replaces.value_or(model::UploadId{})},
        version);
}

// False if there will be nothing to store into.
bool Pipeline::bring_up(const std::stop_token& stop) {
    const auto holder = without_exceptions([&] { return context_.bring_up.run(stop); });
    if (!holder) {
        if (!stop.stop_requested()) {
            context_.on_fatal(holder.error());
        }
        return false;
    }
    // Nobody else can have a version before the upload that holds the next one.
    if (*holder) {
        const std::scoped_lock lock(mutex_);
        push_first(to_store_, **holder);
    }
    return true;
}

void Pipeline::run_sink(const std::stop_token& stop) {
    if (!bring_up(stop)) {
        return;
    }
    std::unique_lock lock(mutex_);
    while (true) {
        sink_is_idle_ = true;
        changed_.wait(lock, stop, [this] { return !to_store_.empty() || !to_discard_.empty(); });
        sink_is_idle_ = false;
        if (stop.stop_requested()) {
            return;
        }
        // Rows that are to go first: their upload may have been sent again.
        Queue& queue = to_discard_.empty() ? to_store_ : to_discard_;
        const bool discards = &queue == &to_discard_;
        const model::UploadId id = queue.front();
        queue.pop_front();
        lock.unlock();
        if (discards) {
            sink_.discard_ahead(id, stop);
        } else {
            store_next(id, stop);
        }
        lock.lock();
    }
}

void Pipeline::store_next(const model::UploadId& id, const std::stop_token& stop) {
    {
        const std::scoped_lock lock(mutex_);
        storing_ = id;
    }
    const int64_t begun_ms = monotonic_ms();
    const auto outcome = sink_.store(id, stop);
    if (outcome == sink::Outcome::stored) {
        stages_.observe(Stage::store, monotonic_ms() - begun_ms);
    }
    if (outcome == sink::Outcome::cancelled || outcome == sink::Outcome::failed) {
        context_.on_not_stored(id);
    }
    if (outcome != sink::Outcome::stopped && outcome != sink::Outcome::unpublished) {
        finish_on_board(id, outcome);
    }
    if (outcome == sink::Outcome::unpublished && is_marked_cancelled(id)) {
        // An error means that the upload went on or is gone: whoever cancelled it sees that.
        [[maybe_unused]] const auto cancelled = context_.publisher.cancel(id);
    }
    const std::scoped_lock lock(mutex_);
    if (outcome == sink::Outcome::unpublished) {
        push_once(to_publish_, id);
    }
    cancelled_while_storing_.erase(id);
    storing_.reset();
    health_.last_store_error.reset();
    changed_.notify_all();
}

void Pipeline::finish_on_board(const model::UploadId& id, sink::Outcome outcome) {
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
               {"rows", upload->rows.accepted},
               {"trace_id", upload->trace_id}});
    if (outcome == sink::Outcome::stored) {
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
    if (upload) {
        return std::move(*upload);
    }
    if (const auto elsewhere = find_elsewhere(id)) {
        return fail(
            ErrorKind::not_found, "upload_elsewhere",
            fmt::format("Process {} received upload {}, and it is {} there; ask that one.",
                        elsewhere->held_by, model::to_string(id), uploads::name(elsewhere->state)));
    }
    return fail(ErrorKind::not_found, "upload_not_found",
                fmt::format("There is no upload {}.", model::to_string(id)));
}

void Pipeline::submit(const model::UploadId& id, int64_t receive_ms) {
    stages_.observe(Stage::receive, receive_ms);
    {
        const std::scoped_lock lock(mutex_);
        push_once(to_publish_, id);
        changed_.notify_all();
    }
    if (context_.peers != nullptr) {
        context_.peers->tell();
    }
}

std::optional<uploads::Upload> Pipeline::find_elsewhere(const model::UploadId& id) const {
    return context_.peers != nullptr ? context_.peers->find_elsewhere(id) : std::nullopt;
}

Result<uploads::Upload> Pipeline::cancel(const model::UploadId& id) {
    while (true) {
        RH_ASSIGN(const auto upload, find(id));
        if (!uploads::is_final(upload.state) && context_.versions.is_decided(id)) {
            return stored_before_cancel();
        }
        if (upload.state == uploads::State::storing) {
            return cancel_storing(id);
        }
        auto cancelled = context_.publisher.cancel(id);
        if (cancelled) {
            context_.on_not_stored(id);
        }
        if (cancelled || cancelled.error().code != "upload_changed") {
            return cancelled;
        }
        // It went on to its next state between the two looks; there are only three of them.
    }
}

// Its rows may be in ClickHouse: the sink takes them out before it says cancelled.
Result<uploads::Upload> Pipeline::cancel_storing(const model::UploadId& id) {
    {
        std::unique_lock lock(mutex_);
        cancelled_while_storing_.insert(id);
        changed_.wait_for(lock, kCancelWait,
                          [&] { return !cancelled_while_storing_.contains(id); });
    }
    RH_ASSIGN(auto upload, find(id));
    if (uploads::is_final(upload.state)) {  // it ended before the sink could see the mark
        const std::scoped_lock lock(mutex_);
        cancelled_while_storing_.erase(id);
    }
    if (upload.state == uploads::State::stored) {
        return stored_before_cancel();
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
    RH_TRY(context_.bring_up.check());
    RH_TRY(find(id));  // of one that only another process has, it says so
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
    for (const auto& [id, error] : publish_errors_) {
        health.waiting_to_publish +=
            std::ranges::find(to_publish_, id) == to_publish_.end() ? 1 : 0;
        health.last_publish_error = error;
    }
    return health;
}

std::optional<Error> Pipeline::waits_for(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    if (const auto found = publish_errors_.find(id); found != publish_errors_.end()) {
        return found->second;
    }
    if (storing_ == id && health_.last_store_error) {
        return health_.last_store_error;
    }
    if (storing_ == id && context_.peers != nullptr && !context_.peers->is_ours(id)) {
        return Error{.kind = ErrorKind::unavailable,
                     .code = "upload_taken_over",
                     .message = fmt::format("process {} was sent the same file and stores it; this "
                                            "one follows.",
                                            context_.peers->owner(id)),
                     .verdict = Verdict::retry};
    }
    // Somebody waits in a call that has not failed yet.
    return context_.peers != nullptr ? context_.peers->trouble() : std::nullopt;
}

}  // namespace rh::app
