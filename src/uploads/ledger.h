// The durable record of uploads, versions, API keys, idempotency keys and reconciliations: one
// SQLite file in the data directory (WAL, synchronous=FULL). Every change is one transaction and is
// on disk when the call returns. Any thread; calls are serialised inside.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "uploads/upload.h"

namespace rh::uploads {

class Ledger {
  public:
    static Result<std::unique_ptr<Ledger>> open(const std::string& path);
    ~Ledger();

    // Inserts a new upload in state validating; or, when the id is there: if that one failed, was
    // refused, cancelled or checked, starts it again (created = true); else leaves it (created =
    // false). The answer is the upload as it now stands. One transaction, so two senders at once
    // create one upload.
    struct Created {
        Upload upload;
        bool created = false;
    };
    Result<Created> create(const Upload& upload);
    // A live upload (not failed, refused, cancelled, checked, voided) of the same bytes under
    // another id and the same label: the same file with other options, which is a conflict.
    Result<std::optional<Upload>> find_same_bytes(const std::string& sha256,
                                                  const std::string& label,
                                                  const model::UploadId& other_than) const;
    Result<std::optional<Upload>> find(const model::UploadId& id) const;
    // Writes every field that may change after creation. Refused (conflict, upload_changed) if the
    // stored state is not `expected`: a cancel and a worker cannot both win.
    Result<void> update(const Upload& upload, State expected);
    Result<void> set_checkpoint(const model::UploadId& id, uint64_t cell);
    Result<void> add_warnings(const model::UploadId& id, const std::vector<Warning>& warnings);
    Result<void> remove(const model::UploadId& id);

    struct ListFilter {
        std::optional<State> state;
        std::string filename;  // exact; empty: any
        std::string sha256;    // exact; empty: any
        size_t limit = 100;
        std::optional<std::pair<int64_t, model::UploadId>>
            after;  // keyset: (created_at, id), newest first
    };
    Result<std::vector<Upload>> list(const ListFilter& filter) const;
    Result<std::vector<Upload>> unfinished() const;  // oldest first: what a restart must go on with

    // Versions. The current one is what readers see. An upload reserves the next number before its
    // row is written to ClickHouse and keeps it over restarts; at most one reservation is open at a
    // time (a second reserve is ErrorKind::conflict version_reserved). commit makes it current and
    // sets stored_version (and voided_version of what it replaces) in the same transaction.
    Result<uint64_t> current_version() const;
    Result<uint64_t> reserve_version(const model::UploadId& id);
    struct OpenReservation {
        uint64_t version;
        model::UploadId upload_id;
    };
    Result<std::optional<OpenReservation>> open_reservation() const;
    Result<void> commit_stored(const Upload& upload);  // state stored, stored_version, finished_at
    Result<void> commit_voided(const model::UploadId& id, uint64_t version);
    Result<void> release_reservation(const model::UploadId& id);  // the number is burned

  private:
    struct Impl;
    explicit Ledger(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::uploads
