// The first step of a comparison: whether all sides agree, by digests of each as a whole, which
// need neither sorting nor a row of them outside of the engines. It says yes or nothing: if the
// digests differ, compare() reads every key and is the only judge. Why equal digests are proof
// enough: docs/concepts/reconciliation.md. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "clickhouse/store.h"
#include "reconcile/compare.h"
#include "reconcile/row_hash.h"
#include "reconcile/stored.h"

namespace rh::reconcile {

// What ClickHouse keeps, read to its end: game_rounds and every rollup.
struct StoredDigests {
    model::Totals stored, aggregated;  // `aggregated` without the rows that the scope leaves out
    uint64_t rows = 0;                 // as digest_sql() has it of the original
    bool rollups_agree = false;        // each rollup is what game_rounds adds up to
    bool has_games = false;            // `games` is among them; else it is still to be compared
};
Result<StoredDigests> read_stored_digests(const clickhouse::Store& store,
                                          const StoredSelection& selection, const HashKey& key);

// The original's part of the answer, as digest_sql() wrote it.
struct OriginalDigest {
    CompareResult result;  // of `original`, the counts and the examples
    uint64_t rows = 0;
};
Result<OriginalDigest> read_original_digest(KeyStream stream);

bool agree(const OriginalDigest& original, const StoredDigests& stored);

}  // namespace rh::reconcile
