// The two sides that ClickHouse keeps, as streams in the order of player, game and hour: the rows
// of `game_rounds` and the sums of `hourly`, of all shards. Read over HTTP, by upload or by scope.
// Any thread; a stream belongs to one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/upload_id.h"
#include "reconcile/engine_sql.h"
#include "reconcile/key_stream.h"

namespace rh::reconcile {

// What is compared: all rows of one upload, or what readers see of a scope at a version.
struct StoredSelection {
    std::optional<model::UploadId> upload_id;
    uint64_t version = 0;  // without upload_id
    Scope scope;           // without upload_id; from_ms and to_ms are there
};

// A selection as a condition over `time`, an expression of time; rows of other providers in the
// same games are not left out. Every parameter that it names is there.
struct Condition {
    std::string where;
    clickhouse::Parameters parameters;
};
Condition condition_of(const clickhouse::Store& store, const StoredSelection& selection,
                       std::string_view time);

// For tables that have no time but games and providers: of a scope, the whole of every upload that
// has rows in its time, in its games and of its providers.
Condition condition_without_time(const clickhouse::Store& store, const StoredSelection& selection);

// "COLUMN IN …" by the parameters of condition_of(): the providers of a scope that has some.
std::string of_providers_sql(const Scope& scope, std::string_view column);

// RowMark::content of a row of game_rounds.
std::string stored_content_sql(const HashKey& key);

extern const clickhouse::Settings kReadSettings;  // for reading any number of rows in little memory
Result<KeyStream> open_keys(const clickhouse::Store& store, Columns columns, const std::string& sql,
                            const clickhouse::Parameters& parameters);

// `hourly` as the aggregates read it, with FINAL: what is served is what is compared.
Result<KeyStream> open_stored(const clickhouse::Store& store, const StoredSelection& selection,
                              const HashKey& key);
Result<KeyStream> open_aggregated(const clickhouse::Store& store, const StoredSelection& selection);

}  // namespace rh::reconcile
