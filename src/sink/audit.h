// What ClickHouse holds of an upload, counted by content: rows and the four sums of `game_rounds`
// and of every rollup. An upload is stored only when all of them equal its manifest. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/totals.h"
#include "model/upload_id.h"

namespace rh::sink {

struct TableTotals {
    std::string table;
    model::Totals totals;
    bool by_hour = false;  // a rollup that figures are read from
};

// The totals of one upload in each table, over all shards, game_rounds first. created_ms_min and
// _max (of its rows) keep the rollups' scan to the months that the upload touches; they widen
// nothing: a row outside of them is found all the same, since game_rounds is read by its key and a
// rollup that lacks it has smaller totals.
Result<std::vector<TableTotals>> stored_totals(const clickhouse::Store& store,
                                               const model::UploadId& id, int64_t created_ms_min,
                                               int64_t created_ms_max);

// Names the tables that differ from `expected`, with both figures; empty if all agree.
std::string differences(const std::vector<TableTotals>& tables, const model::Totals& expected);

// The versions that the row of `uploads` on one shard, which is what readers ask, gives an upload;
// nullopt if there is no such row.
struct VisibleVersions {
    uint64_t stored = 0;
    uint64_t voided = 0;  // UINT64_MAX: not voided
};
Result<std::optional<VisibleVersions>> visible_versions(const clickhouse::Client& owner,
                                                        const model::UploadId& id);
// The uploads that `uploads` of every shard has, voided ones included.
Result<std::set<model::UploadId>> uploads_known(const clickhouse::Store& store);

// Ends its INSERTs and removes every row of the upload from game_rounds and the rollups of every
// shard; but none of one that `uploads` there says is stored, or was. `may_remove` is asked before
// each table's, by any thread; its Error ends it.
Result<void> delete_rows(
    const clickhouse::Store& store, const model::UploadId& id,
    const std::function<Result<void>()>& may_remove = [] { return Result<void>(); });

}  // namespace rh::sink
