// The growing version of what readers see. Storing or voiding an upload makes the next one, in this
// order: reserve the number in the ledger, write the row of `uploads` in ClickHouse, sync, commit
// in the ledger. A crash anywhere in between leaves a reservation, and recover() or the next
// store() of that upload goes on with the same number; readers stay on the last committed version
// until then. Any thread; one change at a time.
#pragma once

#include <functional>
#include <mutex>

#include "base/result.h"
#include "clickhouse/client.h"
#include "uploads/ledger.h"

namespace rh::sink {

class Versions {
  public:
    // make_durable syncs what ClickHouse has written.
    Versions(const clickhouse::Client& owner, uploads::Ledger& ledger,
             std::function<Result<void>()> make_durable)
        : owner_(owner), ledger_(ledger), make_durable_(std::move(make_durable)) {}

    // `upload` is in state storing and audited; it becomes stored, and what it replaces voided, at
    // once.
    Result<void> commit_stored(uploads::Upload upload);
    // Takes a stored upload out of the figures; one that is voided already is left as it is.
    // Errors: not_found upload_not_found, conflict upload_not_stored.
    Result<uploads::Upload> commit_voided(const model::UploadId& id);
    // Finishes a void that a crash interrupted. A reservation of an upload that is being stored is
    // left to the sink.
    Result<void> recover();

    // Gives up a number reserved for an upload that will not be stored after all: what may stand in
    // `uploads` under it is taken back first, so that burning the number shows nothing and voids
    // nothing.
    Result<void> withdraw(const model::UploadId& id);

  private:
    Result<void> write_rows(const std::vector<uploads::Upload>& uploads, uint64_t version);
    Result<uploads::Upload> finish_void(uploads::Upload upload, uint64_t version);

    std::mutex mutex_;
    const clickhouse::Client& owner_;
    uploads::Ledger& ledger_;
    std::function<Result<void>()> make_durable_;
};

}  // namespace rh::sink
