// Runs reconciliations on threads of its own, and remembers them under
// DIR/reconciliations/ID. One that was running when the program ended is run again at the next
// start. Any thread may call; the queue is bounded.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "reconcile/findings.h"
#include "reconcile/record.h"
#include "reconcile/run.h"
#include "reconcile/statement.h"

namespace rh::reconcile {

struct ReconcilerOptions {
    std::string directory;  // DIR/reconciliations, absolute
    std::string program;    // this binary
    std::string libchdb;    // empty: where the program looks for it
    StatementLimits limits;
    size_t queue_max = 32;          // that wait
    unsigned simultaneous_max = 1;  // that run at once
};

class Reconciler {
  public:
    // The three must outlive the Reconciler.
    static Result<std::unique_ptr<Reconciler>> start(ReconcilerOptions options,
                                                     const clickhouse::Store& store,
                                                     const uploads::Ledger& ledger,
                                                     const uploads::Layout& layout);
    void begin();   // ClickHouse may be asked from now on; until then everything waits
    ~Reconciler();  // as stop()
    void request_stop();
    void stop();  // ends what runs; it stays `running` on disk and is run again at the next start

    // Errors: not_found upload_not_found; conflict upload_not_stored; busy
    // too_many_reconciliations; storage_full.
    Result<Reconciliation> submit(const model::UploadId& id);

    // A statement: spool() its body, then submit() it, or drop it and its directory is removed.
    class Spool {
      public:
        Spool(std::string id, std::string directory, StatementWriter writer)
            : id_(std::move(id)), directory_(std::move(directory)), writer_(std::move(writer)) {}
        Spool(Spool&&) = default;
        Spool& operator=(Spool&&) = delete;
        ~Spool();
        Result<void> write(std::string_view body) { return writer_.write(body); }
        Result<void> check_end() const { return writer_.check_end(); }

      private:
        friend class Reconciler;
        std::string id_;
        std::string directory_;  // empty once it belongs to a reconciliation
        StatementWriter writer_;
    };
    // Errors: busy too_many_reconciliations; storage_full.
    // `look` is shown what is unpacked.
    Result<Spool> spool(io::ContentEncoding packing, StatementWriter::Look look = nullptr);
    // Errors of StatementWriter::finish, of read_statement_header, and of submit above.
    Result<Reconciliation> submit(Spool spool, StatementOptions options, Scope scope);

    // Error not_found reconciliation_not_found.
    Result<Reconciliation> find(std::string_view id) const;
    // Newest first, `after` (created_at, id) exclusive. One whose record cannot be read is left
    // out, and the log says so.
    using Position = std::pair<int64_t, std::string>;
    Result<std::vector<Reconciliation>> list(size_t limit,
                                             const std::optional<Position>& after) const;
    // Of one that is done. Errors: not_found reconciliation_not_found; conflict
    // reconciliation_running, reconciliation_failed; invalid_request bad_cursor.
    Result<FindingsPage> findings(std::string_view id, uint64_t offset, size_t limit) const;
    // Until it is over, `seconds` have gone, or `stopping` says true (asked a few times a second).
    Result<Reconciliation> wait(std::string_view id, unsigned seconds,
                                const std::function<bool()>& stopping) const;

  private:
    Reconciler(ReconcilerOptions options, const clickhouse::Store& store,
               const uploads::Ledger& ledger, const uploads::Layout& layout);
    Result<void> load();
    Result<void> check_room() const;
    std::optional<Position> before(const std::optional<Position>& position) const;
    Result<void> enqueue(const Reconciliation& reconciliation);
    void work();
    void run_one(Reconciliation reconciliation);
    std::string directory_of(std::string_view id) const;
    Result<void> save(const Reconciliation& reconciliation) const;

    const ReconcilerOptions options_;
    const clickhouse::Store& store_;
    const uploads::Ledger& ledger_;
    const uploads::Layout& layout_;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    // Guarded by mutex_.
    bool begun_ = false;
    bool stopping_ = false;
    std::deque<std::string> queue_;                               // ids that wait
    std::map<std::string, Reconciliation, std::less<>> running_;  // waiting or at work
    std::map<Position, bool> index_;                              // every one there is

    std::vector<std::thread> workers_;
};

}  // namespace rh::reconcile
