// Where the files of uploads are, and who may touch them:
//
//   DIR/incoming/RANDOM/original.zst    while it is being received; all of it is removed at start
//   DIR/uploads/ID/original.zst         the bytes as sent, unpacked, then compressed by zstd
//   DIR/uploads/ID/rejects.ndjson       refused rows (uploads/reject_file.h)
//   DIR/ledger.sqlite                   which uploads there are (uploads/ledger.h)
//
// A directory DIR/uploads/ID is made durable before the ledger knows its upload, and removed after
// the ledger forgot it: so an upload of the ledger always has its original, and a directory that
// the ledger does not know is rubbish of a crash. Whoever creates or removes an upload holds
// lock(id) from the first look at the ledger to the last change of a file. Any thread; one process
// at a time (io::LockFile is the program's business).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "model/upload_id.h"
#include "uploads/ledger.h"

namespace rh::uploads {

class Layout {
  public:
    // Creates the directories and empties DIR/incoming.
    static Result<std::unique_ptr<Layout>> open(std::string data_directory);

    const std::string& data_directory() const { return data_directory_; }
    std::string incoming() const { return data_directory_ + "/incoming"; }
    std::string uploads() const { return data_directory_ + "/uploads"; }
    std::string directory(const model::UploadId& id) const;
    std::string original(const model::UploadId& id) const;
    std::string rejects(const model::UploadId& id) const;
    // Error not_found upload_elsewhere if another process has the files of the upload.
    Result<void> check_held_here(const Upload& upload) const;
    static std::string ledger_path(const std::string& data_directory) {
        return data_directory + "/ledger.sqlite";
    }

    // A new empty directory of a random name under DIR/incoming.
    Result<std::string> new_spool_directory() const;

    // Held while an upload is created, started again or removed. Not recursive; never held while
    // waiting for a client.
    std::unique_lock<std::mutex> lock(const model::UploadId& id) const;

    // At start, before anything is received: removes directories of uploads that the ledger does
    // not know. Returns how many.
    Result<uint64_t> remove_unknown(const Ledger& ledger) const;

    // DELETE: runs `first` (removes its rows from the log and from ClickHouse), forgets the upload,
    // then removes its files, all under lock(id), so that the same file sent in this moment waits
    // and then starts anew. Nothing is forgotten if `first` fails. Errors: not_found
    // upload_not_found; conflict upload_stored, upload_voided, upload_running (cancel it first).
    Result<void> remove(Ledger& ledger, const model::UploadId& id,
                        const std::function<Result<void>()>& first = {}) const;

  private:
    explicit Layout(std::string data_directory) : data_directory_(std::move(data_directory)) {}
    std::string data_directory_;
    // Striped by id: two ids may share a mutex, one id never has two.
    mutable std::array<std::mutex, 64> locks_;
};

}  // namespace rh::uploads
