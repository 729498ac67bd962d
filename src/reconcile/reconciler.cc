#include "reconcile/reconciler.h"

#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/file.h"
#include "reconcile/space.h"
#include "reconcile/statement_header.h"

namespace rh::reconcile {
namespace {

constexpr auto kWaitStep = std::chrono::milliseconds(200);

std::unexpected<Error> not_found() {
    return fail(ErrorKind::not_found, "reconciliation_not_found",
                "There is no reconciliation with this id.");
}

}  // namespace

Reconciler::Spool::~Spool() {
    if (!directory_.empty()) {
        // A directory without a record is removed at the next start, if it cannot be now.
        if (const auto removed = io::remove_tree(directory_); !removed) {
            log_event(LogLevel::warning, removed.error().message);
        }
    }
}

Reconciler::Reconciler(ReconcilerOptions options, const clickhouse::Store& store,
                       const uploads::Ledger& ledger, const uploads::Layout& layout)
    : options_(std::move(options)), store_(store), ledger_(ledger), layout_(layout) {}

Result<std::unique_ptr<Reconciler>> Reconciler::start(ReconcilerOptions options,
                                                      const clickhouse::Store& store,
                                                      const uploads::Ledger& ledger,
                                                      const uploads::Layout& layout) {
    std::unique_ptr<Reconciler> reconciler(
        new Reconciler(std::move(options), store, ledger, layout));
    RH_TRY(io::make_directories(reconciler->options_.directory));
    RH_TRY(reconciler->load());
    for (unsigned i = 0; i < reconciler->options_.simultaneous_max; ++i) {
        reconciler->workers_.emplace_back([r = reconciler.get()] { r->work(); });
    }
    return reconciler;
}

Reconciler::~Reconciler() { stop(); }

void Reconciler::begin() {
    {
        const std::scoped_lock lock(mutex_);
        begun_ = true;
    }
    changed_.notify_all();
}

void Reconciler::request_stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
}

void Reconciler::stop() {
    request_stop();
    for (std::thread& worker : workers_) {
        worker.join();
    }
    workers_.clear();
}

std::string Reconciler::directory_of(std::string_view id) const {
    return fmt::format("{}/{}", options_.directory, id);
}

Result<void> Reconciler::save(const Reconciliation& reconciliation) const {
    return io::write_file_durably(
        fmt::format("{}/{}", directory_of(reconciliation.id), kRecordFile),
        to_record(reconciliation));
}

// At start, before the workers: what is there, and what was interrupted.
Result<void> Reconciler::load() {
    RH_ASSIGN(const auto names, io::list_directory(options_.directory));
    std::map<Position, Reconciliation> interrupted;
    for (const auto& id : names) {
        const std::string path = fmt::format("{}/{}", directory_of(id), kRecordFile);
        if (!is_id(id) || !io::exists(path)) {
            RH_TRY(io::remove_tree(directory_of(id)));
            continue;
        }
        RH_ASSIGN(const std::string text, io::read_file(path));
        auto record = parse_record(text);
        if (!record) {
            log_event(LogLevel::error, record.error().message, {{"file", path}});
            continue;
        }
        index_[{record->created_at, record->id}] = true;
        if (record->state == RunState::running) {
            interrupted.emplace(Position{record->created_at, record->id}, std::move(*record));
        }
    }
    for (auto& [position, record] : interrupted) {
        queue_.push_back(record.id);
        running_.emplace(record.id, std::move(record));
    }
    return {};
}

Result<void> Reconciler::check_room() const {
    const std::scoped_lock lock(mutex_);
    if (queue_.size() >= options_.queue_max) {
        return fail(ErrorKind::busy, "too_many_reconciliations",
                    fmt::format("{} reconciliations are waiting already. Try again when some of "
                                "them are done.",
                                queue_.size()),
                    Verdict::retry);
    }
    return io::check_free_bytes(options_.directory, options_.limits.free_bytes_min,
                                "reconcile again");
}

Result<void> Reconciler::enqueue(const Reconciliation& reconciliation) {
    RH_TRY(save(reconciliation));
    RH_TRY(io::sync_directory(options_.directory));
    {
        const std::scoped_lock lock(mutex_);
        queue_.push_back(reconciliation.id);
        running_.emplace(reconciliation.id, reconciliation);
        index_[{reconciliation.created_at, reconciliation.id}] = true;
    }
    changed_.notify_all();
    return {};
}

Result<Reconciliation> Reconciler::submit(const model::UploadId& id) {
    RH_ASSIGN(const auto upload, ledger_.find(id));
    if (!upload) {
        return fail(ErrorKind::not_found, "upload_not_found", "There is no upload with this id.");
    }
    if (upload->state != uploads::State::stored) {
        return fail(ErrorKind::conflict, "upload_not_stored",
                    fmt::format("The upload is {}, so there is nothing to compare it with. {}",
                                uploads::name(upload->state),
                                !uploads::is_final(upload->state) ? "Wait until it is stored."
                                : upload->state == uploads::State::checked
                                    ? "Send the file without dry_run "
                                      "first."
                                    : "It will not be stored by "
                                      "itself: see its error, and "
                                      "send the file again."));
    }
    RH_TRY(layout_.check_held_here(*upload));
    RH_TRY(check_room());
    Reconciliation reconciliation;
    reconciliation.id = new_id();
    reconciliation.upload_id = id;
    reconciliation.created_at = now_ms();
    RH_TRY(io::make_directories(directory_of(reconciliation.id)));
    RH_TRY(enqueue(reconciliation));
    return reconciliation;
}

Result<Reconciler::Spool> Reconciler::spool(io::ContentEncoding packing,
                                            StatementWriter::Look look) {
    RH_TRY(check_room());
    std::string id = new_id();
    std::string directory = directory_of(id);
    RH_TRY(io::make_directories(directory));
    RH_ASSIGN(auto writer, StatementWriter::create(fmt::format("{}/{}", directory, kStatementFile),
                                                   packing, options_.limits, std::move(look)));
    return Spool(std::move(id), std::move(directory), std::move(writer));
}

Result<Reconciliation> Reconciler::submit(Spool spool, StatementOptions options, Scope scope) {
    RH_ASSIGN(options.charset, spool.writer_.finish(options.charset));
    RH_TRY(check_room());
    RH_ASSIGN(options.delimiter,
              read_statement_header(fmt::format("{}/{}", spool.directory_, kStatementFile),
                                    *options.charset, options.delimiter));
    Reconciliation reconciliation;
    reconciliation.id = spool.id_;
    reconciliation.statement = std::move(options);
    reconciliation.scope = std::move(scope);
    reconciliation.created_at = now_ms();
    RH_TRY(enqueue(reconciliation));
    spool.directory_.clear();
    return reconciliation;
}

void Reconciler::work() {
    while (true) {
        Reconciliation next;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return stopping_ || (begun_ && !queue_.empty()); });
            if (stopping_) {
                return;
            }
            next = running_.at(queue_.front());
            queue_.pop_front();
        }
        run_one(std::move(next));
    }
}

void Reconciler::run_one(Reconciliation reconciliation) {
    const RunContext context{options_.program, options_.libchdb, store_, ledger_, layout_, [this] {
                                 const std::scoped_lock lock(mutex_);
                                 return stopping_;
                             }};
    const std::string directory = directory_of(reconciliation.id);
    const int64_t begun = monotonic_ms();
    Result<void> ran;
    try {
        ran = run(context, directory, reconciliation);
    } catch (const std::exception& problem) {  // the top of a worker thread
        ran = fail(ErrorKind::internal, "internal_error", problem.what());
    }
    if (!ran && (ran.error().code == kInterrupted ||
                 (ran.error().verdict == Verdict::retry && context.stopping()))) {
        return;  // the next start makes it
    }
    reconciliation.state = ran ? RunState::done : RunState::failed;
    if (!ran) {
        reconciliation.error_code = ran.error().code;
        reconciliation.error_message = ran.error().message;
    }
    reconciliation.finished_at = now_ms();
    // The record first: a statement is needed until its verdict is on disk.
    const auto saved = save(reconciliation);
    auto removed = saved;
    for (const std::string_view name :
         {kStatementFile, kScratchDirectory, kKeysFile, kExtentFile}) {
        if (removed) {
            removed = io::remove_tree(fmt::format("{}/{}", directory, name));
        }
    }
    if (!removed) {
        log_event(LogLevel::error, removed.error().message);
    }
    log_event(ran && reconciliation.matched ? LogLevel::info : LogLevel::warning,
              ran ? "reconciled" : "a reconciliation failed",
              {{"id", reconciliation.id},
               {"verdict", !ran                     ? reconciliation.error_code
                           : reconciliation.matched ? "matched"
                                                    : "mismatched"},
               {"rows", reconciliation.rows.read},
               {"discrepancies", reconciliation.discrepancies},
               {"ms", monotonic_ms() - begun}});
    {
        const std::scoped_lock lock(mutex_);
        if (saved) {
            running_.erase(reconciliation.id);
        } else {  // what the disk does not take stays here, until a restart runs it again
            running_[reconciliation.id] = reconciliation;
        }
    }
    changed_.notify_all();
}

Result<Reconciliation> Reconciler::find(std::string_view id) const {
    if (!is_id(id)) {
        return not_found();
    }
    {
        const std::scoped_lock lock(mutex_);
        if (const auto found = running_.find(id); found != running_.end()) {
            return found->second;
        }
    }
    const std::string path = fmt::format("{}/{}", directory_of(id), kRecordFile);
    if (!io::exists(path)) {
        return not_found();
    }
    RH_ASSIGN(const std::string text, io::read_file(path));
    return parse_record(text);
}

// The next older one; without a position the newest.
std::optional<Reconciler::Position> Reconciler::before(
    const std::optional<Position>& position) const {
    const std::scoped_lock lock(mutex_);
    const auto at = position ? index_.lower_bound(*position) : index_.end();
    return at == index_.begin() ? std::nullopt : std::optional(std::prev(at)->first);
}

Result<std::vector<Reconciliation>> Reconciler::list(size_t limit,
                                                     const std::optional<Position>& after) const {
    std::vector<Reconciliation> found;
    std::optional<Position> at = before(after);
    for (; at && found.size() < limit; at = before(at)) {
        auto reconciliation = find(at->second);
        if (reconciliation) {
            found.push_back(std::move(*reconciliation));
        } else {  // it must not hide the others
            log_event(LogLevel::error, reconciliation.error().message, {{"id", at->second}});
        }
    }
    return found;
}

Result<FindingsPage> Reconciler::findings(std::string_view id, uint64_t offset,
                                          size_t limit) const {
    RH_ASSIGN(const auto reconciliation, find(id));
    if (reconciliation.state == RunState::running) {
        return fail(ErrorKind::conflict, "reconciliation_running",
                    "The reconciliation is still running. Ask again when it is done.",
                    Verdict::retry);
    }
    if (reconciliation.state == RunState::failed) {
        return fail(ErrorKind::conflict, "reconciliation_failed",
                    fmt::format("The reconciliation failed, so it has no discrepancies. {}",
                                reconciliation.error_message));
    }
    return read_findings(fmt::format("{}/{}", directory_of(id), kFindingsFile), offset, limit);
}

Result<Reconciliation> Reconciler::wait(std::string_view id, unsigned seconds,
                                        const std::function<bool()>& stopping) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    {
        std::unique_lock lock(mutex_);
        const auto is_running = [&] {
            const auto found = running_.find(id);
            return found != running_.end() && found->second.state == RunState::running;
        };
        while (is_running() && !stopping_ && !stopping() &&
               std::chrono::steady_clock::now() < deadline) {
            changed_.wait_for(lock, kWaitStep);
        }
    }
    return find(id);
}

}  // namespace rh::reconcile
