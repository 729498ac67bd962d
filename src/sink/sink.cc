#include "sink/sink.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/sleep.h"
#include "base/without_exceptions.h"
#include "sink/audit.h"
#include "sink/cells.h"
#include "sink/inserter.h"
#include "sink/leftovers.h"
#include "sink/overlap.h"
#include "sink/rollups.h"

namespace rh::sink {
namespace {

constexpr int64_t kRetryMsFirst = 100;
constexpr uint32_t kRepairsMax = 2;
// A tenth of the time that has been waited, within these.
constexpr int64_t kOthersPollMsMin = 5;
constexpr int64_t kOthersPollMsMax = 100;
// That the consumer group does not bring all rows of an upload in, nor a word comes from its owner,
// if that is another process.
constexpr int64_t kOthersPatienceMs = 300'000;
// That all of them are in, and its owner neither stores it nor says that he is at work on it, which
// he does more often.
constexpr int64_t kOwnerPatienceMs = 30'000;
constexpr int64_t kAtWorkMs = 8'000;
constexpr int64_t kNotFailing = -1;

}  // namespace

// One call of store(): everything that a step hands to the next.
struct Sink::Run {
    uploads::Upload upload;
    std::stop_token stop;
    Step step = Step::inserting;
    uint32_t repairs = 0;
    std::string differences;
    bool emptied = false;  // rows of it may have been removed, perhaps not all
    bool is_fresh = true;  // no step was made yet
    std::shared_ptr<Ahead> ahead;
    Mark counted_after;  // before ClickHouse's rows were counted
    // After this run withdrew it; whatever was counted since makes that void.
    std::optional<Mark> withdrew;
    // What ClickHouse holds, if that was asked for already.
    std::optional<std::vector<TableTotals>> counted;
};

Outcome Sink::store(const model::UploadId& id, const std::stop_token& stop) {
    int64_t retry_ms = kRetryMsFirst;
    Run run;
    run.stop = stop;
    run.ahead = take_ahead(id);
    std::atomic<int64_t> failing_since = kNotFailing;
    const std::jthread at_work = keep_saying_at_work(id, failing_since);
    while (!stop.stop_requested()) {
        const auto result = without_exceptions([&] { return find_and_step(id, run); });
        if (result && *result) {
            return **result;
        }
        if (result) {
            failing_since = kNotFailing;
            retry_ms = kRetryMsFirst;
            continue;
        }
        if (failing_since == kNotFailing) {
            failing_since = monotonic_ms();
        }
        const bool reads_log = run.step == Step::inserting || run.step == Step::auditing;
        if (reads_log && log::is_unusable(result.error())) {
            log_event(LogLevel::error,
                      "the log of an upload is damaged; it is written again from the original",
                      {{"upload_id", model::to_string(id)}, {"detail", result.error().message}});
            run.differences = result.error().message;
            run.repairs = std::max(run.repairs, 1U);  // reading it again would not help
            run.step = next_repair(run);
            continue;
        }
        context_.on_retry(result.error());
        log_event(LogLevel::warning, "storing an upload is tried again",
                  {{"upload_id", model::to_string(id)},
                   {"code", result.error().code},
                   {"detail", result.error().message},
                   {"retry_ms", retry_ms}});
        sleep_unless_stopped(stop, retry_ms);
        retry_ms = std::min(retry_ms * 2, kRetryMsMax);
    }
    return Outcome::stopped;
}

Result<std::optional<Outcome>> Sink::find_and_step(const model::UploadId& id, Run& run) {
    RH_ASSIGN(auto found, context_.ledger.find(id));
    if (!found || uploads::is_final(found->state)) {
        if (found && uploads::may_start_again(found->state)) {
            RH_TRY(context_.log.remove(id));  // may have failed when it ended
        }
        return Outcome::cancelled;
    }
    if (found->state != uploads::State::storing) {
        return Outcome::unpublished;
    }
    run.upload = std::move(*found);
    if (context_.versions.is_decided(id)) {
        // Rows may have been removed here nevertheless, before a restart too: then they come again
        // first, and no removal takes them any more.
        if (run.is_fresh && !is_anothers(id) && !context_.peers->owner(id).empty()) {
            run.step = Step::auditing;
            run.emptied = true;
        } else if (!run.emptied || run.step == Step::failing) {
            run.step =
                Step::committing;  // it counts, whatever is wrong; the background audit tells
        } else if (run.step == Step::replaying || run.step == Step::republishing) {
            run.step = Step::inserting;
        }
    }
    run.is_fresh = false;
    // Each republishing was a repair, also of an earlier process.
    run.repairs = std::max(run.repairs, std::min(run.upload.epoch - 1, kRepairsMax));
    return step(run);
}

Sink::Step Sink::next_repair(Run& run) {
    ++run.repairs;
    return run.repairs == 1             ? Step::replaying
           : run.repairs <= kRepairsMax ? Step::republishing
                                        : Step::failing;
}

Result<std::optional<Outcome>> Sink::step(Run& run) {
    if (context_.is_cancelled(run.upload.id) && !context_.versions.is_decided(run.upload.id)) {
        RH_ASSIGN(const Outcome outcome, give_up(run, uploads::State::cancelled));
        return outcome;
    }
    if (run.step >= Step::replaying && is_anothers(run.upload.id)) {
        run.step = Step::inserting;  // whose it is now repairs it
        run.repairs = 0;
    }
    switch (run.step) {
        case Step::inserting:
            RH_TRY(insert_cells(run));
            return std::nullopt;
        case Step::auditing:
            RH_TRY(audit(run));
            return std::nullopt;
        case Step::committing:
            RH_TRY(warn_of_overlaps(run));
            if (auto may = may_commit(run); !may || !*may) {
                RH_TRY(may);
                run.step = Step::inserting;  // whose it is now audits it
                return std::nullopt;
            }
            if (auto committed =
                    context_.versions.commit_stored(run.upload, run.counted_after.withdrawn_at);
                !committed) {
                if (committed.error().code == "upload_withdrawn") {
                    run.step = Step::inserting;
                    return std::nullopt;
                }
                // It never counts: another one does, or the brokers will never take the record.
                if (committed.error().code != "not_replaceable" &&
                    committed.error().code != "kafka_record_too_large") {
                    return std::unexpected(std::move(committed).error());
                }
                RH_ASSIGN(const Outcome outcome, fail_for(run, committed.error()));
                return outcome;
            }
            return Outcome::stored;
        case Step::republishing:
            RH_TRY(empty(run));
            RH_TRY(context_.republish(run.upload.id));
            run.step = Step::inserting;
            return std::nullopt;
        case Step::replaying:
            RH_TRY(empty(run));
            run.step = Step::inserting;
            return std::nullopt;
        case Step::failing: {
            const Error error{
                .kind = ErrorKind::internal,
                .code = "audit_mismatch",
                .message = fmt::format("After {} repairs ClickHouse still cannot be given what the "
                                       "file holds: {} Check its disk and its log, and whether "
                                       "somebody else writes there, then send the file again.",
                                       kRepairsMax, run.differences)};
            RH_ASSIGN(const Outcome outcome, fail_for(run, error));
            return outcome;
        }
    }
    std::unreachable();
}

// None of its rows stay, and the checkpoint knows it first: a crash in between may not leave a
// checkpoint behind rows that are gone. A number that a crash left reserved for it is given up:
// whatever is repaired for long must not hold up every other change of the figures.
Result<void> Sink::empty(Run& run) {
    if (is_anothers(run.upload.id)) {
        return {};
    }
    run.ahead.reset();  // waits for its INSERTs
    RH_TRY(withdraw(run));
    RH_TRY(context_.ledger.set_checkpoint(run.upload.id, 0));
    run.upload.checkpoint_cell = 0;
    run.emptied = true;
    return delete_rows(context_.store, run.upload.id,
                       [&] { return check_may_remove(run.upload.id); });
}

// As long as nobody can have counted its rows since, it is not said again: a removal may be tried
// for days.
Result<void> Sink::withdraw(Run& run) const {
    const model::UploadId& id = run.upload.id;
    if (context_.peers != nullptr && run.withdrew == mark(id)) {
        return context_.versions.check_undecided(id);
    }
    RH_TRY(context_.versions.withdraw(id));
    run.withdrew = mark(id);
    return {};
}

Sink::Mark Sink::mark(const model::UploadId& id) const {
    return {.withdrawn_at = context_.versions.withdrawn_at(id),
            .tenure = context_.peers != nullptr ? context_.peers->tenure(id) : 0};
}

// Before each table's: it may have become another's, or count, while ClickHouse was at the last.
Result<void> Sink::check_may_remove(const model::UploadId& id) const {
    if (context_.peers == nullptr) {
        return {};
    }
    RH_TRY(context_.versions.check_undecided(id));
    return !is_anothers(id) ? Result<void>()
                            : fail(ErrorKind::conflict, "upload_taken_over",
                                   "Another process stores the upload by now.", Verdict::retry);
}

// What was audited holds as long as nobody else may remove it.
Result<bool> Sink::may_commit(const Run& run) const {
    return context_.peers == nullptr || context_.versions.is_decided(run.upload.id)
               ? Result<bool>(true)
               : context_.peers->has_owned(run.upload.id, run.counted_after.tenure);
}

Result<std::vector<TableTotals>> Sink::count(Run& run) {
    const auto& upload = run.upload;
    run.withdrew.reset();
    run.counted_after = mark(upload.id);
    return stored_totals(context_.store, upload.id, upload.created_ms_min, upload.created_ms_max);
}

// Whatever a run does may take longer than others wait for an upload's owner. One that only fails,
// since it does not reach ClickHouse perhaps, leaves it to them.
std::jthread Sink::keep_saying_at_work(const model::UploadId& id,
                                       const std::atomic<int64_t>& failing_since) const {
    if (context_.peers == nullptr) {
        return {};
    }
    return std::jthread([this, id, &failing_since](const std::stop_token& stop) {
        while (true) {
            sleep_unless_stopped(stop, kAtWorkMs);
            if (stop.stop_requested()) {
                return;
            }
            if (const int64_t since = failing_since;
                since != kNotFailing && monotonic_ms() - since > kOthersPatienceMs) {
                continue;
            }
            // Without it others may take the upload over, and whoever works on it finds out.
            std::ignore = without_exceptions([&] { return context_.peers->say_at_work(id); });
        }
    });
}

std::shared_ptr<Ahead> Sink::begin_ahead(const model::UploadId& id) {
    auto ahead = std::make_shared<Ahead>(context_.store.owner_of(log::kEmbeddedPartition), id,
                                         log::kEmbeddedPartition);
    const std::scoped_lock lock(mutex_);
    ahead_ = ahead;
    return ahead;
}

std::shared_ptr<Ahead> Sink::take_ahead(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    return ahead_ && ahead_->upload_id() == id ? std::exchange(ahead_, nullptr) : nullptr;
}

void Sink::discard_ahead(const model::UploadId& id, const std::stop_token& stop) {
    if (auto ahead = take_ahead(id); ahead == nullptr) {
        return;
    }  // its INSERTs have ended here
    int64_t retry_ms = kRetryMsFirst;
    while (!stop.stop_requested()) {
        const auto deleted = without_exceptions([&] { return delete_rows(context_.store, id); });
        if (deleted) {
            return;
        }
        context_.on_retry(deleted.error());
        sleep_unless_stopped(stop, retry_ms);
        retry_ms = std::min(retry_ms * 2, kRetryMsMax);
    }
}

// True if all cells are in ClickHouse; else they are to be inserted from the log.
Result<bool> Sink::finish_ahead(Run& run) {
    const auto ahead = std::exchange(run.ahead, nullptr);
    if (ahead == nullptr || run.upload.checkpoint_cell > 0) {
        return false;
    }
    const auto inserted = ahead->finish();
    if (!inserted || inserted->rows != run.upload.rows.accepted) {
        log_event(LogLevel::info, "rows are inserted again from the log",
                  {{"upload_id", model::to_string(run.upload.id)},
                   {"reason", inserted ? "some were not taken" : inserted.error().message}});
        return false;
    }
    context_.on_progress(run.upload, inserted->rows);
    RH_TRY(finish_inserting(run, inserted->next_cell));
    return true;
}

// All cells are in ClickHouse and do not change any more, so they are counted while the disk takes
// them.
Result<void> Sink::finish_inserting(Run& run, uint64_t next_cell) {
    const auto& upload = run.upload;
    if (context_.store.consumes()) {
        RH_TRY(make_rollups(context_.store, upload));
    }
    Result<std::vector<TableTotals>> counted;
    std::jthread counting([&] { counted = without_exceptions([&] { return count(run); }); });
    RH_TRY(context_.store.make_durable());
    RH_TRY(context_.ledger.set_checkpoint(upload.id, next_cell));
    kill_point("sink_after_checkpoint");
    counting.join();
    RH_TRY(counted);
    run.counted = std::move(*counted);
    run.step = Step::auditing;
    return {};
}

// From the checkpoint to the end of the log. A stop or a cancel ends it early, between two blocks.
Result<void> Sink::insert_cells(Run& run) {
    RH_ASSIGN(const bool finished, finish_ahead(run));
    if (finished) {
        return {};
    }
    const bool lacks_counted_rows = run.emptied && context_.versions.is_decided(run.upload.id);
    if (context_.peers != nullptr && !lacks_counted_rows &&
        (run.repairs == 0 || is_anothers(run.upload.id))) {
        RH_ASSIGN(const bool waited, wait_for_others(run));
        if (waited) {
            return {};
        }
    }
    const auto& id = run.upload.id;
    RH_ASSIGN(const auto reader, context_.log.read(id, run.upload.checkpoint_cell));
    std::optional<Inserter> inserter;
    uint32_t partition = 0;
    CellAssembler cells;
    size_t cells_since_checkpoint = 0;
    uint64_t next_cell = run.upload.checkpoint_cell;
    uint64_t rows = 0;

    const auto take = [&](model::RowBatch cell) -> Result<void> {
        next_cell = model::cell_of(cell.row_number.front()) + 1;
        ++cells_since_checkpoint;
        rows += cell.size();
        RH_TRY(inserter->submit(std::move(cell)));
        context_.on_progress(run.upload, rows);
        return {};
    };
    const auto checkpoint = [&]() -> Result<void> {
        RH_TRY(inserter->drain());
        RH_TRY(context_.store.make_durable());
        RH_TRY(context_.ledger.set_checkpoint(id, next_cell));
        kill_point("sink_after_checkpoint");
        cells_since_checkpoint = 0;
        return {};
    };

    model::RowBatch batch;
    while (true) {
        if (run.stop.stop_requested() ||
            (context_.is_cancelled(id) && !context_.versions.is_decided(id))) {
            return {};
        }
        RH_ASSIGN(const bool more, reader->next(batch));
        if (inserter && (!more || reader->partition() != partition)) {
            if (auto last = cells.finish()) {
                RH_TRY(take(std::move(*last)));
            }
            RH_TRY(inserter->drain());
            inserter.reset();
        }
        if (!more) {
            break;
        }
        if (!inserter) {
            partition = reader->partition();
            inserter.emplace(context_.store.owner_of(partition), id, partition, kSinkKillPoints);
        }
        RH_ASSIGN(auto complete, cells.add(batch));
        if (complete) {
            RH_TRY(take(std::move(*complete)));
        }
        // A checkpoint is a cell of the only partition there is.
        if (cells_since_checkpoint >= kCellsPerCheckpoint && context_.peers == nullptr) {
            RH_TRY(checkpoint());
        }
    }
    return finish_inserting(run, context_.peers == nullptr ? next_cell : 0);
}

bool Sink::is_anothers(const model::UploadId& id) const {
    return context_.peers != nullptr && !context_.peers->is_ours(id);
}

// True if there is nothing to insert: others have brought all rows in or stored the upload, or the
// run is to end. False if that takes so long that something must be wrong with them. As long as its
// owner says that he is at work on it, it is waited for.
Result<bool> Sink::wait_for_others(Run& run) {
    const auto& id = run.upload.id;
    const int64_t begun = monotonic_ms();
    int64_t moved_at = begun;
    bool was_taken = false;
    std::string owner_mark = context_.peers->owner_mark(id);
    while (true) {
        if (run.stop.stop_requested() || context_.is_cancelled(id) ||
            context_.versions.is_decided(id)) {
            return true;
        }
        RH_ASSIGN(const bool taken, context_.peers->have_taken(id));
        const bool anothers = is_anothers(id);
        if (taken && !anothers) {
            context_.on_progress(run.upload, run.upload.rows.accepted);
            // Of whoever owned it before, or of this process before a crash.
            RH_TRY(stop_removals(context_.store, id));
            RH_TRY(finish_inserting(run, 0));
            return true;
        }
        const int64_t now = monotonic_ms();
        auto mark = context_.peers->owner_mark(id);
        if (taken != was_taken || (anothers && mark != owner_mark)) {
            was_taken = taken;
            owner_mark = std::move(mark);
            moved_at = now;
        }
        if (now - moved_at > (taken ? kOwnerPatienceMs : kOthersPatienceMs)) {
            if (!anothers) {
                log_event(LogLevel::warning,
                          "rows that the consumer group does not bring in are inserted here",
                          {{"upload_id", model::to_string(id)}});
                return false;
            }
            RH_TRY(take_over(id, owner_mark));
        }
        sleep_unless_stopped(run.stop, std::clamp((monotonic_ms() - begun) / 10, kOthersPollMsMin,
                                                  kOthersPollMsMax));
    }
}

// Unless its owner has moved meanwhile.
Result<void> Sink::take_over(const model::UploadId& id, const std::string& mark) const {
    const std::string owner = context_.peers->owner(id);
    const auto taken = context_.peers->take_over(id, mark);
    if (!taken && taken.error().code != "upload_taken_over") {
        return taken;
    }
    log_event(taken ? LogLevel::warning : LogLevel::info,
              taken ? "an upload that another process published and does not store is taken over"
                    : "an upload is not taken over: its owner is at work on it",
              {{"upload_id", model::to_string(id)}, {"owner", owner}});
    return {};
}

Result<void> Sink::audit(Run& run) {
    kill_point("sink_before_audit");
    const auto& upload = run.upload;
    RH_ASSIGN(const auto manifest, context_.log.manifest(upload.id));
    if (!run.counted) {
        RH_ASSIGN(run.counted, count(run));
    }
    const auto tables = *std::exchange(run.counted, std::nullopt);
    run.differences = differences(tables, manifest.totals);
    if (run.differences.empty()) {
        run.step = Step::committing;
        return {};
    }
    run.step = next_repair(run);
    log_event(LogLevel::error, "ClickHouse's content is not the manifest's; the upload is repaired",
              {{"upload_id", model::to_string(upload.id)},
               {"attempt", run.repairs},
               {"detail", run.differences}});
    return {};
}

// Before the upload is stored, so that whoever waits for that sees the warnings too. Asked anew
// when a crash repeats the step, hence replaced and not added.
Result<void> Sink::warn_of_overlaps(Run& run) {
    RH_ASSIGN(const uint64_t version, context_.ledger.current_version());
    RH_ASSIGN(auto found, overlaps(context_.store, run.upload, version));
    auto& warnings = run.upload.warnings;
    std::erase_if(warnings,
                  [](const auto& warning) { return warning.code == "overlapping_upload"; });
    std::ranges::move(found, std::back_inserter(warnings));
    return {};
}

Result<Outcome> Sink::fail_for(Run& run, const Error& error) {
    run.upload.error_code = error.code;
    run.upload.error_message = error.message;
    return give_up(run, uploads::State::failed);
}

// The upload ends without being stored.
Result<Outcome> Sink::give_up(Run& run, uploads::State state) {
    RH_TRY(empty(run));
    RH_TRY(context_.store.make_durable());
    // Another may have stored it meanwhile.
    RH_TRY(is_anothers(run.upload.id) ? context_.versions.check_undecided(run.upload.id)
                                      : withdraw(run));
    run.upload.state = state;
    run.upload.finished_at = now_ms();
    const auto held = context_.lock(run.upload.id);
    RH_TRY(context_.ledger.update(run.upload, uploads::State::storing));
    RH_TRY(context_.log.remove(run.upload.id));
    return state == uploads::State::failed ? Outcome::failed : Outcome::cancelled;
}

}  // namespace rh::sink
