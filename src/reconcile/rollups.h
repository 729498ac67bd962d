// The rollups beside `hourly`, which answer what `hourly` would answer slowly: hourly_by_game,
// game_hourly and games. Two of them must say what `hourly` says, and `games` what `game_rounds`
// says by game, provider and name. A key of a rollup is a break when it differs from `hourly` and
// from `game_rounds`, so that a damage of those two, which compare() names, is not named again.
// Usually sums agree and nothing more is read. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "base/result.h"
#include "clickhouse/store.h"
#include "reconcile/compare.h"
#include "reconcile/stored.h"

namespace rh::reconcile {

// Games whose rows in `game_rounds` are not those of the original: `games` cannot be judged for
// them. Beyond kMost it stands for all games.
class BrokenGames {
  public:
    static constexpr size_t kMost = 100'000;
    void add(uint64_t game) {
        if (games_.size() <= kMost) {
            games_.insert(game);
        }
    }
    bool contains(uint64_t game) const { return games_.size() > kMost || games_.contains(game); }

  private:
    std::set<uint64_t> games_;
};

// Discrepancies of class aggregate_stale with `table` set, in the order of the tables above and of
// their keys; returns how many. `stored` is what `game_rounds` has, `aggregated` what the table
// has. `games` has no time: of a statement's scope it is compared for whole uploads
// (condition_without_time).
Result<uint64_t> compare_rollups(const clickhouse::Store& store, const StoredSelection& selection,
                                 const BrokenGames& broken, const OnDiscrepancy& on_discrepancy);

// The last of these tables only: `games`.
Result<uint64_t> compare_games(const clickhouse::Store& store, const StoredSelection& selection,
                               const BrokenGames& broken, const OnDiscrepancy& on_discrepancy);

}  // namespace rh::reconcile
