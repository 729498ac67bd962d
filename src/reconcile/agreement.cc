#include "reconcile/agreement.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace rh::reconcile {
namespace {

// The names under which every query here has them.
constexpr std::string_view kFigures = "n, a0, a1, a2, a3";
// Rounds and sums of rows or of lines of a rollup, of the same types from all of them.
constexpr std::string_view kAddedUp =
    "sum(rounds) AS n, sum(real_amount_bet) AS a0, sum(bonus_amount_bet) AS a1, "
    "sum(real_amount_win) AS a2, sum(bonus_amount_win) AS a3";
// Columns of KeyRow before its figures.
constexpr std::string_view kNoKey = "'', toUInt64(0), toUInt32(0)";

// The digests of lines by player, game and hour; by game and hour; and by game, provider and name.
std::string hourly_digest(const HashKey& key) {
    const std::array<std::string, 4> values = {text_hash_sql(key, "player"), "game", "hour_number",
                                               std::string(kFigures)};
    return hash_sql(key, values);
}
std::string game_hour_digest(const HashKey& key) {
    const std::array<std::string, 3> values = {"game", "hour_number", std::string(kFigures)};
    return hash_sql(key, values);
}
std::string games_digest(const HashKey& key) {
    const std::array<std::string, 4> values = {
        text_hash_sql(key, "maker"), text_hash_sql(key, "name"), "game", std::string(kFigures)};
    return hash_sql(key, values);
}

// game_rounds in one pass: added up by everything that any rollup has in its key, and that, which
// is little, three times more. Figures of what is inside of the scope, then of what is not; digests
// of the rows inside, and of the three rollups.
std::string game_rounds_sql(const std::string& table, const StoredSelection& selection,
                            const HashKey& key, const std::string& where) {
    const bool scoped = !selection.upload_id && !selection.scope.providers.empty();
    const auto figures = [](std::string_view condition) {
        std::string sql = fmt::format("sumIf(n, set = 0 AND {})", condition);
        for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
            sql += fmt::format(", toDecimal128(sumIf(a{}, set = 0 AND {}), 6)", i, condition);
        }
        return sql;
    };
    // Of the sets, 0 parts what is inside from what is not and is the one that has digests of rows.
    return fmt::format(
        "SELECT {no_key}, {inside}, {outside}, sumIf(rows, set = 0 AND is_inside), "
        "sumIf({hourly}, set = 1), sumIf({game_hourly}, set = 2), sumIf({games}, set = 3) FROM ("
        "SELECT multiIf(grouping(is_inside) = 0, 0, grouping(player) = 0, 1, grouping(hour_number) "
        "= 0, 2, 3) AS set, is_inside, player, game, hour_number, maker, name, sum(n_) AS n, "
        "sum(a0_) AS a0, sum(a1_) AS a1, sum(a2_) AS a2, sum(a3_) AS a3, sum(rows_) AS rows FROM ("
        "SELECT user_id AS player, game_id AS game, toUInt32(intDiv(ms, 3600000)) AS hour_number, "
        "provider AS maker, game_name AS name, {scoped} AS is_inside, count() AS n_, "
        "sum(real_amount_bet) AS a0_, sum(bonus_amount_bet) AS a1_, sum(real_amount_win) AS a2_, "
        "sum(bonus_amount_win) AS a3_, sum({row}) AS rows_ FROM ("
        "SELECT *, toUnixTimestamp64Milli(created_timestamp) AS ms FROM {table} FINAL WHERE "
        "{where}) GROUP BY player, game, hour_number, maker, name) GROUP BY GROUPING SETS "
        "((is_inside), (player, game, hour_number), (game, hour_number), (game, maker, name))) "
        "FORMAT RowBinary",
        fmt::arg("no_key", kNoKey), fmt::arg("inside", figures("is_inside")),
        fmt::arg("outside", figures("NOT is_inside")), fmt::arg("hourly", hourly_digest(key)),
        fmt::arg("game_hourly", game_hour_digest(key)), fmt::arg("games", games_digest(key)),
        fmt::arg("scoped", scoped ? of_providers_sql(selection.scope, "maker") : "toUInt8(1)"),
        fmt::arg("row", row_digest_sql(key, stored_content_sql(key), "ms")),
        fmt::arg("table", table), fmt::arg("where", where));
}

// A rollup's figures and its digest.
std::string rollup_sql(const std::string& table, const std::string& where, std::string_view columns,
                       std::string_view keys, const std::string& digest) {
    return fmt::format(
        "SELECT {}, sum(n), toDecimal128(sum(a0), 6), toDecimal128(sum(a1), 6), "
        "toDecimal128(sum(a2), 6), toDecimal128(sum(a3), 6), sum({}) FROM (SELECT {}, {} FROM {} "
        "FINAL WHERE {} GROUP BY {}) FORMAT RowBinary",
        kNoKey, digest, columns, kAddedUp, table, where, keys);
}

Result<KeyRow> read_one(const clickhouse::Store& store, Columns columns, const std::string& sql,
                        const clickhouse::Parameters& parameters) {
    RH_ASSIGN(auto stream, open_keys(store, columns, sql, parameters));
    KeyRow row;
    RH_ASSIGN(const bool there, stream.next(row));
    KeyRow after;
    RH_ASSIGN(const bool more, stream.next(after));
    if (!there || more) {
        return fail(ErrorKind::internal, "bad_stream",
                    "ClickHouse's answer cannot be used: it is not one row.");
    }
    return row;
}

}  // namespace

Result<StoredDigests> read_stored_digests(const clickhouse::Store& store,
                                          const StoredSelection& selection, const HashKey& key) {
    const Condition by_row = condition_of(store, selection, "created_timestamp");
    RH_ASSIGN(const KeyRow rows,
              read_one(store, Columns{.others = true, .digests = 4},
                       game_rounds_sql(store.all("game_rounds"), selection, key, by_row.where),
                       by_row.parameters));
    StoredDigests found;
    found.stored = rows.figures;
    found.rows = rows.digests[0];
    found.rollups_agree = true;
    const Condition by_hour = condition_of(store, selection, "hour");
    const auto compare_rollup = [&](std::string_view table, std::string_view columns,
                                    std::string_view keys, const std::string& digest,
                                    uint64_t wanted) -> Result<model::Totals> {
        RH_ASSIGN(const KeyRow row,
                  read_one(store, Columns{.digests = 1},
                           rollup_sql(store.all(table), by_hour.where, columns, keys, digest),
                           by_hour.parameters));
        found.rollups_agree = found.rollups_agree && row.digests[0] == wanted;
        return row.figures;
    };
    constexpr std::string_view kHour =
        "toUInt32(intDiv(toUnixTimestamp(hour), 3600)) AS hour_number";
    const std::string by_player = fmt::format("player_id AS player, game_id AS game, {}", kHour);
    constexpr std::string_view kByPlayer = "player, game, hour_number";
    RH_ASSIGN(found.aggregated,
              compare_rollup("hourly", by_player, kByPlayer, hourly_digest(key), rows.digests[1]));
    found.aggregated = minus(found.aggregated, rows.others);
    RH_TRY(compare_rollup("hourly_by_game", by_player, kByPlayer, hourly_digest(key),
                          rows.digests[1]));
    RH_TRY(compare_rollup("game_hourly", fmt::format("game_id AS game, {}", kHour),
                          "game, hour_number", game_hour_digest(key), rows.digests[2]));
    if (selection.upload_id) {
        RH_TRY(compare_rollup("games", "game_id AS game, provider AS maker, game_name AS name",
                              "game, maker, name", games_digest(key), rows.digests[3]));
        found.has_games = true;
    }
    return found;
}

Result<OriginalDigest> read_original_digest(KeyStream stream) {
    OriginalDigest found;
    KeyRow row;
    while (true) {
        RH_ASSIGN(const bool more, stream.next(row));
        if (!more) {
            return found;
        }
        if (row.kind == KeyRow::Kind::key) {
            found.result.original = row.figures;
            found.rows = row.digests[0];
        } else {
            take_rest(row, found.result);
        }
    }
}

bool agree(const OriginalDigest& original, const StoredDigests& stored) {
    return original.result.original == stored.stored && stored.stored == stored.aggregated &&
           original.rows == stored.rows && stored.rollups_agree;
}

}  // namespace rh::reconcile
