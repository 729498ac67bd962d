// What an upload that is not stored may leave in ClickHouse. An INSERT whose connection broke may
// still be running, and commit after the upload's rows were deleted; a crash may come before they
// are. Nobody sees such rows, since a version never counts them, but they take room, and an upload
// of the same name would find them. So whoever deletes rows first ends the INSERTs that ClickHouse
// knows of, and a background sweep (app/auditor.h) looks for the rest: an INSERT that it did not
// know of yet. Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/upload_id.h"

namespace rh::sink {

// A new name for an INSERT of rows of this upload, by which it is found again.
std::string insert_query_id(const model::UploadId& id);

// Ends every INSERT of this upload that this server runs, and returns when they have ended.
Result<void> stop_inserts(const clickhouse::Client& owner, const model::UploadId& id);

// Ends every removal of this upload's rows that a shard has been asked for and has not done: of a
// process that is gone, or that does not own the rows any more. What it has removed stays removed,
// so whoever relies on rows that are there counts them after this. Waits until ClickHouse has left
// off what it had begun.
Result<void> stop_removals(const clickhouse::Store& store, const model::UploadId& id);

// Uploads with rows in game_rounds, of any shard, that no version ever counted: those being stored,
// and what was left behind. Each once. Reads one column of every row.
Result<std::vector<model::UploadId>> uncommitted_uploads(const clickhouse::Store& store);

// Whether it is one of them; reads by the key.
Result<bool> has_uncommitted_rows(const clickhouse::Store& store, const model::UploadId& id);

}  // namespace rh::sink
