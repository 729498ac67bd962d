// The growing version of what readers see. Storing or voiding an upload makes the next one, in this
// order: reserve the number in the ledger, write the row of `uploads` in ClickHouse, sync, commit
// in the ledger. A crash or an error anywhere in between leaves a reservation, under which rows may
// stand in `uploads`; readers stay on the last committed version until it is settled. That of a
// void is finished by whatever change comes next, or by recover(); that of an upload in state
// storing by the sink, which goes on with the same number or withdraws it. Any thread; one change
// at a time.
#pragma once

#include <mutex>
#include <optional>

#include "base/result.h"
#include "clickhouse/store.h"
#include "uploads/ledger.h"

namespace rh::sink {

class Versions {
  public:
    Versions(const clickhouse::Store& store, uploads::Ledger& ledger)
        : store_(store), ledger_(ledger) {}

    // `upload` is in state storing and audited; it becomes stored, and what it replaces voided, at
    // once.
    Result<void> commit_stored(uploads::Upload upload);
    // Takes a stored upload out of the figures; one that is voided already is left as it is.
    // Errors: not_found upload_not_found, conflict upload_not_stored, version_reserved.
    Result<uploads::Upload> commit_voided(const model::UploadId& id);
    // Settles what a crash left open, unless it is the sink's to settle: the upload's id then.
    Result<std::optional<model::UploadId>> recover();

    // Gives up a number reserved for an upload that will not be stored after all, or must be
    // repaired first: what may stand in `uploads` under it is taken back before, so that burning
    // the number shows nothing and voids nothing. Without a reservation it does nothing.
    Result<void> withdraw(const model::UploadId& id);

  private:
    Result<void> write_rows(const std::vector<uploads::Upload>& uploads, uint64_t version);
    Result<uploads::Upload> finish_void(uploads::Upload upload, uint64_t version);
    Result<void> take_back(const uploads::Ledger::OpenReservation& open);
    // Returns the upload that still holds a reservation, if any.
    Result<std::optional<model::UploadId>> settle();

    std::mutex mutex_;
    const clickhouse::Store& store_;
    uploads::Ledger& ledger_;
};

}  // namespace rh::sink
