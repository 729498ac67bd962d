#include "publish/publisher.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "io/file.h"
#include "publish/outcome.h"
#include "publish/validation.h"

namespace rh::publish {
namespace {

using uploads::State;
using uploads::Upload;

// A run's own word that a cancel was faster; never leaves this file.
constexpr std::string_view kCancelled = "publisher_run_cancelled";

std::unexpected<Error> upload_not_found(const model::UploadId& id) {
    return fail(ErrorKind::not_found, "upload_not_found",
                fmt::format("There is no upload {}.", model::to_string(id)));
}

// Errors that another run would meet again.
bool is_hopeless(const Error& error) {
    return error.kind == ErrorKind::invalid_content || error.code == "original_damaged" ||
           error.code == "original_missing";
}

}  // namespace

// Registers a run of an upload, after an earlier one (cancelled, or of another worker) has ended.
class Publisher::RunScope {
  public:
    RunScope(Publisher& publisher, const model::UploadId& id, const StoreSide& store)
        : run{.store = store}, publisher_(publisher), id_(id) {
        std::unique_lock lock(publisher_.mutex_);
        publisher_.run_ended_.wait(lock, [&] { return !publisher_.runs_.contains(id_); });
        publisher_.runs_.emplace(id_, &run);
    }
    // Of an upload that has no run, for somebody who holds the publisher's lock.
    RunScope(Publisher& publisher, const model::UploadId& id, const StoreSide& store,
             const std::lock_guard<std::mutex>&)
        : run{.store = store}, publisher_(publisher), id_(id) {
        publisher_.runs_.emplace(id_, &run);
    }
    ~RunScope() {
        {
            const std::lock_guard lock(publisher_.mutex_);
            publisher_.runs_.erase(id_);
        }
        publisher_.run_ended_.notify_all();
    }
    RunScope(const RunScope&) = delete;
    RunScope& operator=(const RunScope&) = delete;

    Run run;

  private:
    Publisher& publisher_;
    const model::UploadId id_;
};

Result<State> Publisher::run(const model::UploadId& id, const StoreSide& store) {
    RunScope scope(*this, id, store);
    RH_TRY(keep_going(scope.run));
    RH_ASSIGN(auto found, ledger_.find(id));
    if (!found) {
        return upload_not_found(id);
    }
    Upload& upload = *found;
    auto state = run_steps(upload, scope.run);
    if (state || scope.run.cancelled) {
        if (scope.run.cancelled || *state == State::cancelled) {
            RH_TRY(log_.remove(id));
            return State::cancelled;
        }
        return state;
    }
    if (!is_hopeless(state.error())) {
        if (state.error().kind == ErrorKind::storage_full && upload.state == State::validating) {
            // Half of either is of no use, and others need the space.
            RH_TRY(log_.remove(id));
            RH_TRY(io::remove_file(layout_.rejects(id)));
        }
        return state;
    }
    upload.error_code = state.error().code;
    upload.error_message = state.error().message;
    log_event(LogLevel::error, "an upload failed",
              {{"upload_id", model::to_string(id)},
               {"trace_id", upload.trace_id},
               {"code", upload.error_code},
               {"detail", upload.error_message}});
    const auto failed = change(upload, State::failed, scope.run);
    RH_TRY(log_.remove(id));
    if (scope.run.cancelled) {
        return State::cancelled;
    }
    RH_TRY(failed);
    return State::failed;
}

Result<State> Publisher::run_steps(Upload& upload, Run& run) {
    if (upload.state == State::publishing) {
        RH_TRY(publish_sealed(upload, run));
    }
    if (upload.state == State::validating) {
        RH_TRY(validate_and_seal(upload, run));
        if (upload.state == State::publishing) {
            RH_TRY(publish_sealed(upload, run));
        }
    }
    if (upload.state == State::validating) {
        return fail(ErrorKind::internal, "log_damaged",
                    "The log does not give back what was just written to it; the disk may be "
                    "failing. The upload is validated again.",
                    Verdict::retry);
    }
    return upload.state;
}

Result<void> Publisher::keep_going(const Run& run) const {
    if (run.cancelled) {
        return fail(ErrorKind::conflict, std::string(kCancelled), "The upload was cancelled.");
    }
    if (stopping_) {
        return fail(ErrorKind::unavailable, "stopping",
                    "The server is stopping; the upload goes on at its next start.",
                    Verdict::retry);
    }
    return {};
}

Result<void> Publisher::change(Upload& upload, State to, Run& run) {
    {
        // With this lock a cancel comes before, and is seen, or after, and finds the new state.
        const std::lock_guard lock(mutex_);
        RH_TRY(keep_going(run));
        Upload changed = upload;
        changed.state = to;
        if (uploads::is_final(to)) {
            changed.finished_at = now_ms();
        }
        RH_TRY(ledger_.update(changed, upload.state));
        upload = std::move(changed);
    }
    board_.set(upload.id, to,
               {.stage = uploads::name(to),
                .rows = to == State::storing ? 0 : upload.rows.read,
                .bytes = upload.bytes,
                .of_bytes = upload.bytes});
    return {};
}

Result<void> Publisher::validate_and_seal(Upload& upload, Run& run) {
    // Later epochs are repairs, whose rows the sink takes from the log alone.
    const bool ahead =
        upload.epoch == 1 && !upload.request.dry_run && rejects_max(upload.request) == UINT64_MAX;
    std::unique_ptr<log::Writer> writer;
    if (!upload.request.dry_run) {
        const log::Log::KeepGoing going = [&] { return keep_going(run); };
        RH_ASSIGN(writer,
                  log_.begin(upload.id, upload.epoch, ahead ? going : log::Log::KeepGoing()));
    }
    std::optional<GameHours> game_hours;
    if (upload.request.dry_run && run.store.overlaps) {
        game_hours.emplace();
    }
    uint64_t rows_told = 0;
    int64_t told_at = 0;
    const ValidationInput input{
        .upload = upload,
        .original = layout_.original(upload.id),
        .rejects = layout_.rejects(upload.id),
        .spill = layout_.directory(upload.id) + "/ids.tmp",
        .log = writer.get(),
        .take_rows = ahead && run.store.offer ? run.store.offer(upload) : TakeRows{},
        .game_hours = game_hours ? &*game_hours : nullptr,
        .rejects_max = rejects_max(upload.request),
        .on_progress = [&](uint64_t rows, uint64_t bytes) -> Result<void> {
            RH_TRY(keep_going(run));
            rows_validated_ += rows - rows_told;
            rows_told = rows;
            if (const int64_t now = monotonic_ms(); now - told_at >= kProgressIntervalMs) {
                told_at = now;
                RH_TRY(io::check_free_bytes(layout_.data_directory(), free_bytes_min_,
                                            "the upload goes on"));
                board_.set(upload.id, State::validating,
                           {.stage = uploads::name(State::validating),
                            .rows = rows,
                            .bytes = bytes,
                            .of_bytes = upload.bytes});
            }
            return {};
        }};
    RH_ASSIGN(const Validated validated, validate(input));
    rows_validated_ += validated.report.rows.read - rows_told;
    count_rejects(validated.report);
    RH_TRY(io::sync_directory(layout_.directory(upload.id)));
    write_report(validated, upload);
    const Refusal refusal = judge_by_policy(upload.request, upload.rows);
    if (upload.request.dry_run) {
        if (!refusal.code.empty()) {
            upload.warnings.push_back(would_be_refused(refusal, upload.rows));
        }
        if (game_hours && upload.rows.accepted > 0) {
            warn_of_overlaps(*game_hours, run, upload);
        }
        return change(upload, State::checked, run);
    }
    if (!refusal.code.empty()) {
        upload.error_code = refusal.code;
        upload.error_message = refusal.message();
        writer.reset();
        RH_TRY(change(upload, State::refused, run));
        return log_.remove(upload.id);
    }
    kill_point("validate_before_seal");
    RH_ASSIGN(const log::Manifest manifest, writer->seal());
    if (manifest.totals != upload.totals) {
        return fail(ErrorKind::internal, "log_totals_differ",
                    "What the log counted is not what the validation counted; the upload is "
                    "validated again.",
                    Verdict::retry);
    }
    return change(upload, State::publishing, run);
}

void Publisher::warn_of_overlaps(GameHours& game_hours, const Run& run, Upload& upload) {
    const auto of_file = game_hours.finish();
    if (!of_file) {
        upload.warnings.push_back(
            overlaps_unknown(fmt::format("the file has more than {} of them.", GameHours::kMax)));
        return;
    }
    auto found = run.store.overlaps(upload, *of_file);
    if (!found) {
        upload.warnings.push_back(overlaps_unknown(found.error().message));
        return;
    }
    std::ranges::move(*found, std::back_inserter(upload.warnings));
}

void Publisher::count_rejects(const csv::Report& report) {
    rows_rejected_ += report.rows.rejected;
    for (const auto& [code, count] : report.faults) {
        faults_[static_cast<size_t>(code)] += count;
    }
}

// The log is sealed, and perhaps published already by a run that was cut off.
Result<void> Publisher::publish_sealed(Upload& upload, Run& run) {
    kill_point("publish_before_rename");
    const auto published = log_.publish(upload.id, [&](uint64_t rows) -> Result<void> {
        RH_TRY(keep_going(run));
        board_.set(upload.id, State::publishing,
                   {.stage = uploads::name(State::publishing),
                    .rows = rows,
                    .bytes = upload.bytes,
                    .of_bytes = upload.bytes});
        return {};
    });
    if (published) {
        kill_point("publish_after_rename");
        const auto manifest = log_.manifest(upload.id);
        // A later one is of another process that has the same file, and published it again.
        if (manifest && manifest->epoch >= upload.epoch && manifest->totals == upload.totals) {
            upload.epoch = manifest->epoch;
            return change(upload, State::storing, run);
        }
        if (!manifest && !log::is_unusable(manifest.error())) {
            return std::unexpected(manifest.error());
        }
    } else if (!log::is_unusable(published.error())) {
        return published;
    }
    // The log is not what the ledger says (lost or damaged): the original is still there.
    log_event(LogLevel::warning, "the log of an upload is made again from its original",
              {{"upload_id", model::to_string(upload.id)}});
    RH_TRY(log_.drop_damaged(upload.id));
    return change(upload, State::validating, run);
}

Result<Upload> Publisher::cancel(const model::UploadId& id) {
    Upload upload;
    const StoreSide none;
    std::optional<RunScope> removing;  // the same file sent again waits until that is done
    {
        const std::lock_guard lock(mutex_);
        RH_ASSIGN(auto found, ledger_.find(id));
        if (!found) {
            return upload_not_found(id);
        }
        upload = std::move(*found);
        if (uploads::is_final(upload.state)) {
            return fail(
                ErrorKind::conflict, "upload_finished",
                fmt::format(
                    "Upload {} is {} already.{}", model::to_string(id), uploads::name(upload.state),
                    upload.voided_version ? " It is voided, so none of its rows is in the figures."
                    : upload.state == State::stored ? " Void it to take it out of the figures."
                                                    : ""));
        }
        if (upload.state == State::storing) {
            return fail(ErrorKind::conflict, "upload_changed",
                        fmt::format("Upload {} is being stored by now. Look at it again.",
                                    model::to_string(id)));
        }
        const State was = upload.state;
        upload.state = State::cancelled;
        upload.finished_at = now_ms();
        RH_TRY(ledger_.update(upload, was));
        if (const auto run = runs_.find(id); run != runs_.end()) {
            run->second->cancelled = true;
        } else {
            removing.emplace(*this, id, none, lock);
        }
    }
    if (removing) {
        if (const auto removed = log_.remove(id); !removed) {
            // It is cancelled all the same. Its rows count nowhere, and the run that waits for it
            // removes them.
            log_event(LogLevel::warning, "the rows of a cancelled upload are still in the log",
                      {{"upload_id", model::to_string(id)},
                       {"code", removed.error().code},
                       {"detail", removed.error().message}});
        }
    }
    board_.set(id, State::cancelled,
               {.stage = uploads::name(State::cancelled),
                .rows = upload.rows.read,
                .bytes = upload.bytes,
                .of_bytes = upload.bytes});
    return upload;
}

Result<void> Publisher::remove_orphans() {
    RH_ASSIGN(const auto ids, log_.uploads());
    for (const model::UploadId& id : ids) {
        RH_ASSIGN(const auto upload, ledger_.find(id));
        const bool wanted = upload && upload->state <= State::stored;
        if (!wanted) {
            RH_TRY(log_.remove(id));
        }
    }
    return {};
}

void Publisher::stop() { stopping_ = true; }

}  // namespace rh::publish
