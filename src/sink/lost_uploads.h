// Which stored uploads ClickHouse does not have any more: its directory was lost, or is an old one,
// or somebody emptied a table. Figures of a version that counts one of them would be too small, so
// they are not given (docs/decisions/0010-lost-tables-are-reported.md). Known by two ways:
// `uploads` is compared with the ledger before anything is answered, and again and again; and the
// background audit tells what it finds. An upload is lost until an audit finds it whole, since a
// void writes its row anew and brings no rounds back. Nothing is kept: the next start looks anew.
// Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/upload_id.h"
#include "uploads/ledger.h"

namespace rh::sink {

class LostUploads {
  public:
    // Both outlive it.
    LostUploads(const clickhouse::Store& store, const uploads::Ledger& ledger)
        : store_(store), ledger_(ledger) {}

    // Compares the ledger with `uploads` of every shard. An upload's row is written there before
    // the ledger calls it stored, so whatever lacks one has lost it.
    Result<void> compare();
    // What the audit of a stored upload found: whether it counts nowhere, or a rollup by hour
    // has no row of it.
    void note(const model::UploadId& id, bool lost);

    // Error unavailable figures_incomplete if a lost upload counts in this version.
    Result<void> check(uint64_t version) const;
    // How many of those that count now are lost.
    Result<uint64_t> count() const;
    bool contains(const model::UploadId& id) const;

  private:
    Result<uint64_t> count_in(uint64_t version) const;

    const clickhouse::Store& store_;
    const uploads::Ledger& ledger_;
    mutable std::mutex mutex_;
    std::set<model::UploadId> lost_;  // guarded by mutex_; of all versions
};

}  // namespace rh::sink
