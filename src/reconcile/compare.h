// The comparison itself: three streams in the order of (player, game, hour) → discrepancies. Pure
// but for the streams it pulls. Memory: the breaks of one player's game. One thread.
//
// How a key is classified: docs/concepts/reconciliation.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/totals.h"
#include "reconcile/key_stream.h"

namespace rh::reconcile {

enum class BreakClass : uint8_t {
    missing_in_store,
    extra_in_store,
    duplicate,
    amount_mismatch,
    count_mismatch,
    wrong_hour,
    aggregate_stale,
};
inline constexpr std::array<std::string_view, 7> kBreakClassNames = {
    "missing_in_store", "extra_in_store", "duplicate",      "amount_mismatch",
    "count_mismatch",   "wrong_hour",     "aggregate_stale"};
constexpr std::string_view name(BreakClass c) { return kBreakClassNames[static_cast<size_t>(c)]; }

struct GameNames {
    std::string provider, game_name;
};

struct Discrepancy {
    // Of a table that is not asked by player, by hour, or by either, the key has no such part.
    Key key;
    bool has_player = true;
    bool has_hour = true;
    BreakClass break_class{};
    std::string_view table;          // the rollup that differs; empty: one of the three sides
    std::optional<GameNames> names;  // of the table `games`
    std::optional<model::Totals> original, stored, aggregated;  // absent: no row of this key
    std::optional<uint32_t> other_hour;  // of wrong_hour: where the rows stand on the other side
};

// Absent if all are zero: there is no row.
std::optional<model::Totals> present(const model::Totals& totals);

using RowSource = std::function<Result<bool>(KeyRow&)>;  // as KeyStream::next
using OnDiscrepancy = std::function<Result<void>(const Discrepancy&)>;

struct CompareOptions {
    // A round that a statement lists twice is a duplicate of the statement's; an upload's original
    // is the truth, so there the second one is missing.
    bool original_may_repeat = false;
};

struct CompareResult {
    model::Totals original, stored, aggregated;
    uint64_t discrepancies = 0;
    uint64_t invalid = 0;           // rows of the original that the engine could not read
    uint64_t out_of_scope = 0;      // valid rows of the original that the scope leaves out
    uint64_t refused = 0;           // rows that were refused and that the engine refuses too
    uint64_t refused_valid = 0;     // rows that were refused, and are valid; in `original` too
    std::vector<Example> examples;  // of invalid rows, then of refused_valid ones
};

// What a row of the engine's stream that is no key says.
void take_rest(const KeyRow& row, CompareResult& result);
// `a` less `b`; wraps below zero, and is a difference still.
model::Totals minus(model::Totals a, const model::Totals& b);

// Reads all three to their end, or returns the first error. Discrepancies come in the order of
// player, game, hour; a key is named once.
Result<CompareResult> compare(const RowSource& original, const RowSource& stored,
                              const RowSource& aggregated, const CompareOptions& options,
                              const OnDiscrepancy& on_discrepancy);

}  // namespace rh::reconcile
