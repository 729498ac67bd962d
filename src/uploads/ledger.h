// The durable record of uploads and versions: one SQLite file in the data directory (WAL,
// synchronous=FULL). Every change is one transaction and is on disk when the call returns. Any
// thread; calls are serialised inside. Errors of all calls beside those named: storage_full,
// internal ledger_error, unavailable ledger_busy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "uploads/upload.h"

namespace rh::uploads {

class Ledger {
  public:
    // Creates the file if it is missing, and brings an older one up to date. Error internal
    // ledger_too_new: a newer program wrote it.
    static Result<std::unique_ptr<Ledger>> open(const std::string& path);
    ~Ledger();

    // Inserts a new upload in state validating; or, when the id is there: if that one failed, was
    // refused, cancelled or checked, starts it again (created = true); else leaves it (created =
    // false). The answer is the upload as it now stands. One transaction, so two senders at once
    // create one upload. Errors, when it would be created: conflict same_file_other_options (see
    // find_same_bytes; dry runs are free), not_found replaced_upload_not_found, conflict
    // not_replaceable (not stored, voided, or being replaced by another upload already).
    struct Created {
        Upload upload;
        bool created = false;
    };
    Result<Created> create(const Upload& upload);
    // The Error that create() would end with at this moment, if the id is not there.
    Result<void> may_create(const Upload& upload) const;
    // A live upload (not failed, refused, cancelled, checked, voided, nor a dry run) of the same
    // bytes under another id and the same label: the same file with other options, which is a
    // conflict.
    Result<std::optional<Upload>> find_same_bytes(const std::string& sha256,
                                                  const std::string& label,
                                                  const model::UploadId& other_than) const;
    Result<std::optional<Upload>> find(const model::UploadId& id) const;
    // Writes every field that may change after creation: all but what the sender asked for, the
    // content, created_at and the versions. Warnings are added or replaced (by code and other
    // upload), never removed. Refused (conflict, upload_changed) if the stored state is not
    // `expected`: a cancel and a worker cannot both win; and a cancel is refused once a version is
    // reserved, since readers of ClickHouse may be about to see it.
    Result<void> update(const Upload& upload, State expected);
    Result<void> set_checkpoint(const model::UploadId& id, uint64_t cell);
    // Adds each, or replaces the one of the same code and other upload. not_found upload_not_found.
    Result<void> add_warnings(const model::UploadId& id, const std::vector<Warning>& warnings);
    // Forgets the upload; no error if it is not there. Refused (conflict upload_stored,
    // upload_voided) if a version counts it or has been reserved for it.
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
    // How many uploads the filter lets through, whatever its limit and place.
    Result<uint64_t> count(const ListFilter& filter) const;
    Result<std::vector<Upload>> unfinished() const;  // oldest first: what a restart must go on with
    Result<StateCounts> count_by_state() const;      // how many uploads are in each
    // created_at of the upload in this state that was received first; nullopt: none is in it.
    Result<std::optional<int64_t>> oldest_created_at(State state) const;
    // finished_at of the upload with the highest stored_version, voided since or not; nullopt:
    // nothing was ever stored.
    Result<std::optional<int64_t>> last_stored_at() const;
    // Of every upload that was stored: the versions that count it are those from `stored` to before
    // `voided`.
    struct StoredVersions {
        model::UploadId id;
        uint64_t stored = 0;
        uint64_t voided = UINT64_MAX;  // UINT64_MAX: not voided
    };
    Result<std::vector<StoredVersions>> stored_versions() const;

    // Versions. The current one is what readers see; 0: nothing was ever stored. An upload reserves
    // the next number before its row is written to ClickHouse and keeps it over restarts (a reserve
    // by the same upload gives the same number); at most one reservation is open at a time (a
    // second one is ErrorKind::conflict version_reserved). commit makes it current and sets
    // stored_version (and voided_version of what it replaces) in the same transaction; a commit of
    // what is committed already changes nothing. Errors: conflict version_not_reserved,
    // upload_changed (it is not storing, or for a void not stored; reserve checks it too),
    // not_found upload_not_found.
    Result<uint64_t> current_version() const;
    // The highest number that was ever given to a change, committed or not.
    Result<uint64_t> last_reserved_version() const;
    Result<uint64_t> reserve_version(const model::UploadId& id);
    // Who makes the numbers. Those made elsewhere (the control topic in Kafka) are not reserved,
    // and may come in any order: the highest one is current.
    enum class Numbering : uint8_t { here, elsewhere };
    struct OpenReservation {
        uint64_t version;
        model::UploadId upload_id;
    };
    Result<std::optional<OpenReservation>> open_reservation() const;
    // `upload` has stored_version and finished_at; its state is set to stored. What it replaces, if
    // that is set, is voided by the same version.
    Result<void> commit_stored(const Upload& upload, Numbering numbering = Numbering::here);
    Result<void> commit_voided(const model::UploadId& id, uint64_t version,
                               Numbering numbering = Numbering::here);
    // Uploads that other processes stored, with their versions and who holds their files: from now
    // on they are here too, in place of one that ended without being stored. One that is on its way
    // here stays, and gets its version by commit_stored(); or it ends otherwise, and is still to be
    // learned: those that are on their way are returned.
    Result<std::vector<Upload>> learn(const std::vector<Upload>& stored);
    // What readers see was stored or voided by another process, up to this version.
    Result<void> raise_current_version(uint64_t version);
    Result<void> release_reservation(const model::UploadId& id);  // the number is burned

  private:
    struct Impl;
    explicit Ledger(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::uploads
