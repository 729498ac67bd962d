// The growing version of what readers see. Storing or voiding an upload makes the next one, and its
// rows of `uploads` in ClickHouse say from which version on it counts. Any thread; one change at a
// time.
//
// LedgerVersions numbers them in this process's ledger, in this order: reserve the number, write
// the row of `uploads`, sync, commit in the ledger. A crash or an error anywhere in between leaves
// a reservation, under which rows may stand in `uploads`; readers stay on the last committed
// version until it is settled. That of a void is finished by whatever change comes next, or by
// recover(); that of an upload in state storing by the sink, which goes on with the same number or
// withdraws it. With the log in Kafka the control topic numbers them (sink/topic_versions.h).
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "uploads/ledger.h"

namespace rh::sink {

class Versions {
  public:
    virtual ~Versions() = default;
    // Whether a version was made for an upload in state storing already, and cannot be taken back.
    virtual bool is_decided(const model::UploadId& id) const = 0;
    // Whether it may be in `uploads` already, and is not in the ledger yet.
    virtual Result<bool> is_being_made(uint64_t version) const = 0;

    // `upload` is in state storing and audited; it becomes stored, and what it replaces voided, at
    // once. `withdrawn_at` is what withdrawn_at() was before its rows were counted. Errors:
    // conflict not_replaceable: another one was stored in place of what it replaces, and it never
    // counts; conflict upload_withdrawn: its rows may have been removed since they were counted.
    virtual Result<void> commit_stored(uploads::Upload upload, int64_t withdrawn_at) = 0;
    // Another number after each withdraw() of the upload, by whatever process; -1 before the first.
    virtual int64_t withdrawn_at(const model::UploadId& id) const = 0;
    // Takes a stored upload out of the figures; one that is voided already is left as it is.
    // Errors: not_found upload_not_found, conflict upload_not_stored, version_reserved.
    virtual Result<uploads::Upload> commit_voided(const model::UploadId& id) = 0;
    // Whether what the tables count was numbered here. Errors: conflict other_ledger or
    // control_topic_replaced.
    virtual Result<void> check_tables() const = 0;
    // Settles what a crash left open, unless it is the sink's to settle: the upload's id then.
    // After check_tables().
    virtual Result<std::optional<model::UploadId>> recover() = 0;

    // Before rows of an upload are removed that will not be stored after all, or must be repaired
    // first. From then on no process stores it by what it counted before. A number that is reserved
    // for it is given up: what may stand in `uploads` under it is taken back before, so that
    // burning the number shows nothing and voids nothing. An Error may mean that it is stored after
    // all: its rows must stay, and is_decided() tells.
    virtual Result<void> withdraw(const model::UploadId& id) = 0;
    // The same Error if it is stored, as of now.
    virtual Result<void> check_undecided(const model::UploadId& id) const = 0;
};

class LedgerVersions : public Versions {
  public:
    LedgerVersions(const clickhouse::Store& store, uploads::Ledger& ledger)
        : store_(store), ledger_(ledger) {}

    bool is_decided(const model::UploadId&) const override { return false; }
    Result<bool> is_being_made(uint64_t version) const override;
    Result<void> commit_stored(uploads::Upload upload, int64_t withdrawn_at) override;
    int64_t withdrawn_at(const model::UploadId&) const override { return -1; }
    Result<uploads::Upload> commit_voided(const model::UploadId& id) override;
    Result<void> check_tables() const override;
    Result<std::optional<model::UploadId>> recover() override;
    Result<void> withdraw(const model::UploadId& id) override;
    Result<void> check_undecided(const model::UploadId&) const override { return {}; }

  private:
    Result<void> check_nobody_else_counts() const;
    Result<void> write_rows(const std::vector<uploads::Upload>& uploads, uint64_t version);
    Result<uploads::Upload> finish_void(uploads::Upload upload, uint64_t version);
    Result<void> take_back(const uploads::Ledger::OpenReservation& open);
    // Returns the upload that still holds a reservation, if any.
    Result<std::optional<model::UploadId>> settle();

    mutable std::mutex mutex_;
    const clickhouse::Store& store_;
    uploads::Ledger& ledger_;
};

// The row of `uploads`, as JSON; a void's has voided_version.
std::string uploads_row(const uploads::Upload& upload, uint64_t revision);
// What `uploads` of a shard says of the upload that changed last.
struct LastChange {
    model::UploadId upload_id;
    uint64_t stored_version = 0;
    uint64_t revision = 0;  // the version that it changed in
};
// Of every shard; nullopt where no version counts anything.
Result<std::vector<std::optional<LastChange>>> last_changes(const clickhouse::Store& store);
// Lines of it into `uploads` on every shard, durably.
Result<void> write_uploads_rows(const clickhouse::Store& store, const std::string& rows);
// What is said of a void that was begun and could not be finished: it is not refused, and takes
// effect at the moment that is named.
std::unexpected<Error> unfinished_void(Error cause, std::string_view when);
// The upload, if it is stored and may be voided; also if it is voided already. Errors as
// commit_voided().
Result<uploads::Upload> find_to_void(const uploads::Ledger& ledger, const model::UploadId& id);

}  // namespace rh::sink
