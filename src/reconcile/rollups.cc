#include "reconcile/rollups.h"

#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace rh::reconcile {
namespace {

// A rollup whose key is made of columns of `hourly`.
struct Rollup {
    std::string_view table;
    bool by_player;
};
constexpr std::array kOfHourly = {Rollup{"hourly_by_game", true}, Rollup{"game_hourly", false}};

// One of the tables as a subquery: player, game, hour_number, rounds and four amounts.
std::string rows_of_hourly(std::string_view table, bool by_player, std::string_view where) {
    return fmt::format(
        "SELECT {} AS player, game_id AS game, toUInt32(intDiv(toUnixTimestamp(hour), 3600)) AS "
        "hour_number, rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win "
        "FROM {} FINAL WHERE {}",
        by_player ? "player_id" : "''", table, where);
}

std::string rows_of_game_rounds(std::string_view table, bool by_player, std::string_view where) {
    std::string amounts;
    for (const std::string_view amount : model::kAmountNames) {
        amounts += fmt::format(", toDecimal128(g.{0}, 6) AS {0}", amount);
    }
    return fmt::format(
        "SELECT {} AS player, game_id AS game, "
        "toUInt32(intDiv(toUnixTimestamp64Milli(created_timestamp), 3600000)) AS hour_number, "
        "toUInt64(1) AS rounds{} FROM {} AS g FINAL WHERE {}",
        by_player ? "user_id" : "''", amounts, table, where);
}

// Figures of one side of a union, as KeyStream reads them.
std::string figures_of(int side) {
    std::string sql = fmt::format("sumIf(rounds, side = {0}) AS n{0}", side);
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        sql += fmt::format(", toDecimal128(sumIf({}, side = {}), 6) AS s{}_{}",
                           model::kAmountNames[i], side, side, i);
    }
    return sql;
}

std::string names_of(int side) {
    return fmt::format("(n{0}, s{0}_0, s{0}_1, s{0}_2, s{0}_3)", side);
}

// Side 0 is game_rounds, 1 the rollup, 2 (if there is one) `hourly`.
std::string differences_sql(const std::vector<std::string>& sides) {
    std::string figures;
    std::string rows;
    std::string differ;
    for (size_t i = 0; i < sides.size(); ++i) {
        const int side = static_cast<int>(i);
        figures += fmt::format(", {}", figures_of(side));
        rows += fmt::format("{}SELECT toUInt8({}) AS side, * FROM ({})",
                            rows.empty() ? "" : " UNION ALL ", side, sides[i]);
        if (side != 1) {
            differ += fmt::format("{}{} != {}", differ.empty() ? "" : " AND ", names_of(1),
                                  names_of(side));
        }
    }
    return fmt::format(
        "SELECT player, game, hour_number, n0, s0_0, s0_1, s0_2, s0_3, n1, s1_0, s1_1, s1_2, s1_3 "
        "FROM (SELECT player, game, hour_number{} FROM ({}) GROUP BY player, game, hour_number) "
        "WHERE {} ORDER BY player, game, hour_number FORMAT RowBinary",
        figures, rows, differ);
}

class RollupComparison {
  public:
    RollupComparison(const clickhouse::Store& store, const OnDiscrepancy& on_discrepancy)
        : store_(store), on_discrepancy_(on_discrepancy) {}

    std::string all(std::string_view table) const { return store_.all(table); }
    Condition condition(const StoredSelection& selection, std::string_view time) const {
        return condition_of(store_, selection, time);
    }
    Condition condition_without_time(const StoredSelection& selection) const {
        return reconcile::condition_without_time(store_, selection);
    }

    // `complete` fills table and key of a discrepancy; false if it is none.
    Result<void> read(const std::string& sql, const clickhouse::Parameters& parameters,
                      const std::function<bool(Discrepancy&)>& complete) {
        RH_ASSIGN(auto stream, open_keys(store_, Columns{.others = true}, sql, parameters));
        KeyRow row;
        while (true) {
            RH_ASSIGN(const bool more, stream.next(row));
            if (!more) {
                return {};
            }
            Discrepancy found;
            found.key = std::move(row.key);
            found.break_class = BreakClass::aggregate_stale;
            found.stored = present(row.figures);
            found.aggregated = present(row.others);
            if (complete(found)) {
                ++count;
                RH_TRY(on_discrepancy_(found));
            }
        }
    }

    Result<bool> is_same(const std::string& one, const std::string& other,
                         const clickhouse::Parameters& parameters) {
        RH_ASSIGN(const std::string answer,
                  store_.query(fmt::format("SELECT ({}) = ({}) FORMAT TSV", one, other), parameters,
                               kReadSettings));
        return answer == "1\n";
    }

    uint64_t count = 0;

  private:
    const clickhouse::Store& store_;
    const OnDiscrepancy& on_discrepancy_;
};

// What is equal for equal rows: a sum and an XOR of hashes find what cancels out in sums.
std::string digest_sql(const std::string& rows, bool by_player) {
    const std::string_view hash =
        "sipHash64(player, game, hour_number, rounds, real_amount_bet, bonus_amount_bet, "
        "real_amount_win, bonus_amount_win)";
    return by_player
               ? fmt::format("SELECT (count(), sum({0}), groupBitXor({0})) FROM ({1})", hash, rows)
               : fmt::format(
                     "SELECT (count(), sum({0}), groupBitXor({0})) FROM (SELECT player, game, "
                     "hour_number, sum(rounds) AS rounds, sum(real_amount_bet) AS real_amount_bet, "
                     "sum(bonus_amount_bet) AS bonus_amount_bet, sum(real_amount_win) AS "
                     "real_amount_win, sum(bonus_amount_win) AS bonus_amount_win FROM ({1}) "
                     "GROUP BY player, game, hour_number)",
                     hash, rows);
}

Result<void> compare_with_hourly(RollupComparison& comparison, const Rollup& rollup,
                                 const StoredSelection& selection) {
    const Condition by_hour = comparison.condition(selection, "hour");
    const std::string hourly =
        rows_of_hourly(comparison.all("hourly"), rollup.by_player, by_hour.where);
    const std::string rows =
        rows_of_hourly(comparison.all(rollup.table), rollup.by_player, by_hour.where);
    RH_ASSIGN(const bool same,
              comparison.is_same(digest_sql(hourly, rollup.by_player),
                                 digest_sql(rows, rollup.by_player), by_hour.parameters));
    if (same) {
        return {};
    }
    const Condition by_row = comparison.condition(selection, "created_timestamp");
    return comparison.read(differences_sql({rows_of_game_rounds(comparison.all("game_rounds"),
                                                                rollup.by_player, by_row.where),
                                            rows, hourly}),
                           by_hour.parameters, [&](Discrepancy& found) {
                               found.table = rollup.table;
                               found.has_player = rollup.by_player;
                               return true;
                           });
}

// Its key goes through the stream as one text: provider, zero byte, name.
Result<void> compare_names(RollupComparison& comparison, const StoredSelection& selection,
                           const BrokenGames& broken) {
    const Condition condition = comparison.condition_without_time(selection);
    const auto rows = [&](std::string_view table, std::string_view rounds) {
        return fmt::format(
            "SELECT concat(toString(provider), '\\0', toString(game_name)) AS player, game_id AS "
            "game, toUInt32(0) AS hour_number, {} AS rounds, real_amount_bet, bonus_amount_bet, "
            "real_amount_win, bonus_amount_win FROM {} FINAL WHERE {}",
            rounds, comparison.all(table), condition.where);
    };
    return comparison.read(
        differences_sql({rows("game_rounds", "toUInt64(1)"), rows("games", "rounds")}),
        condition.parameters, [&](Discrepancy& found) {
            const size_t zero = found.key.player.find('\0');
            found.table = "games";
            found.has_player = found.has_hour = false;
            found.names = {found.key.player.substr(0, zero), found.key.player.substr(zero + 1)};
            return !broken.contains(found.key.game);
        });
}

}  // namespace

Result<uint64_t> compare_rollups(const clickhouse::Store& store, const StoredSelection& selection,
                                 const BrokenGames& broken, const OnDiscrepancy& on_discrepancy) {
    RollupComparison comparison(store, on_discrepancy);
    for (const Rollup& rollup : kOfHourly) {
        RH_TRY(compare_with_hourly(comparison, rollup, selection));
    }
    RH_TRY(compare_names(comparison, selection, broken));
    return comparison.count;
}

Result<uint64_t> compare_games(const clickhouse::Store& store, const StoredSelection& selection,
                               const BrokenGames& broken, const OnDiscrepancy& on_discrepancy) {
    RollupComparison comparison(store, on_discrepancy);
    RH_TRY(compare_names(comparison, selection, broken));
    return comparison.count;
}

}  // namespace rh::reconcile
