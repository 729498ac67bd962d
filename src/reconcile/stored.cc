#include "reconcile/stored.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rh::reconcile {
namespace {

constexpr std::string_view kVisibleSql =
    "upload_id GLOBAL IN (SELECT upload_id FROM uploads FINAL WHERE stored_version <= "
    "{version:UInt64} "
    "AND voided_version > {version:UInt64})";
// Both tables: of a game whose key `games` lost, the rows would be missing, and of one that only
// rollups have, nothing would be compared. Games of uploads that are not visible make the set wider
// only.
constexpr std::string_view kGamesOfProvidersSql =
    "game_id GLOBAL IN (SELECT game_id FROM {0} WHERE {2} "
    "UNION ALL SELECT game_id FROM {1} WHERE {2} AND "
    "created_timestamp >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') AND "
    "created_timestamp < fromUnixTimestamp64Milli({{to:Int64}}, 'UTC'))";

constexpr std::string_view kUploadsOfTimeSql =
    "upload_id GLOBAL IN (SELECT upload_id FROM {} WHERE hour >= "
    "fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') AND hour < "
    "fromUnixTimestamp64Milli({{to:Int64}}, 'UTC'))";

constexpr std::string_view kAmountsSql =
    "toDecimal128(sum(real_amount_bet), 6), toDecimal128(sum(bonus_amount_bet), 6), "
    "toDecimal128(sum(real_amount_win), 6), toDecimal128(sum(bonus_amount_win), 6)";

void limit_to_games(Condition& query, const Scope& scope) {
    if (!scope.games.empty()) {
        query.where += " AND game_id IN {games:Array(UInt64)}";
        query.parameters.emplace_back("games", fmt::format("[{}]", fmt::join(scope.games, ",")));
    }
}

// The providers of a scope, in parameters of at most this much: ClickHouse takes 128 KiB in one.
constexpr size_t kParameterBytes = 64 * 1024;

std::vector<std::vector<std::string>> in_parameters(const std::vector<std::string>& providers) {
    std::vector<std::vector<std::string>> lists;
    size_t bytes = kParameterBytes;
    for (const std::string& provider : providers) {
        bytes += provider.size() + 3;  // '',
        if (bytes > kParameterBytes) {
            lists.emplace_back();
            bytes = provider.size() + 3;
        }
        lists.back().push_back(provider);
    }
    return lists;
}

void add_providers(Condition& query, const Scope& scope) {
    size_t number = 0;
    for (const auto& list : in_parameters(scope.providers)) {
        query.parameters.emplace_back(fmt::format("providers{}", number++),
                                      clickhouse::array_parameter(list));
    }
}

clickhouse::Parameters parameters_of(const StoredSelection& selection) {
    return {{"version", std::to_string(selection.version)},
            {"from", std::to_string(selection.scope.from_ms.value_or(0))},
            {"to", std::to_string(selection.scope.to_ms.value_or(0))}};
}

}  // namespace

std::string of_providers_sql(const Scope& scope, std::string_view column) {
    std::string lists;
    for (size_t i = 0; i < in_parameters(scope.providers).size(); ++i) {
        lists += fmt::format("{}{{providers{}:Array(String)}}", i == 0 ? "" : ", ", i);
    }
    return fmt::format("{} IN arrayConcat({})", column, lists);
}

const clickhouse::Settings kReadSettings = {
    {"max_threads", "2"},
    {"max_execution_time", "0"},
    {"max_result_rows", "0"},
    {"max_result_bytes", "0"},
    {"max_bytes_before_external_group_by", "400000000"},
    {"max_bytes_before_external_sort", "400000000"},
    {"max_bytes_ratio_before_external_group_by", "0"},
    {"max_bytes_ratio_before_external_sort", "0"},
};

Condition condition_without_time(const clickhouse::Store& store, const StoredSelection& selection) {
    if (selection.upload_id) {
        return condition_of(store, selection, "");
    }
    const Scope& scope = selection.scope;
    Condition query = {
        fmt::format("{} AND {}", kVisibleSql, fmt::format(kUploadsOfTimeSql, store.all("hourly"))),
        parameters_of(selection)};
    limit_to_games(query, scope);
    if (!scope.providers.empty()) {
        query.where += " AND " + of_providers_sql(scope, "provider");
        add_providers(query, scope);
    }
    return query;
}

Condition condition_of(const clickhouse::Store& store, const StoredSelection& selection,
                       std::string_view time) {
    if (selection.upload_id) {
        return {"upload_id = {upload_id:UUID}",
                {{"upload_id", model::to_string(*selection.upload_id)}}};
    }
    const Scope& scope = selection.scope;
    Condition query;
    query.where = fmt::format(
        "{0} AND {1} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') AND "
        "{1} < fromUnixTimestamp64Milli({{to:Int64}}, 'UTC')",
        kVisibleSql, time);
    query.parameters = parameters_of(selection);
    limit_to_games(query, scope);
    if (!scope.providers.empty()) {
        query.where +=
            " AND " + fmt::format(kGamesOfProvidersSql, store.all("games"),
                                  store.all("game_rounds"), of_providers_sql(scope, "provider"));
        add_providers(query, scope);
    }
    return query;
}

Result<KeyStream> open_keys(const clickhouse::Store& store, Columns columns, const std::string& sql,
                            const clickhouse::Parameters& parameters) {
    RH_ASSIGN(auto response, store.stream(sql, parameters, kReadSettings));
    // std::function wants a copyable target, so the stream is shared with nobody else.
    std::shared_ptr<clickhouse::ResponseStream> shared = std::move(response);
    return KeyStream(columns, [shared] { return shared->next(); });
}

std::string stored_content_sql(const HashKey& key) {
    return content_sql(key,
                       {"game_instance_id", "user_id", "game_id", "game_name", "provider",
                        "real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win"});
}

Result<KeyStream> open_stored(const clickhouse::Store& store, const StoredSelection& selection,
                              const HashKey& key) {
    const Condition query = condition_of(store, selection, "created_timestamp");
    const bool scoped = !selection.upload_id && !selection.scope.providers.empty();
    std::string others;
    for (const std::string_view amount : model::kAmountNames) {
        others += fmt::format(", toDecimal128(sumIf({}, NOT inside), 6)", amount);
    }
    std::string sums;
    for (const std::string_view amount : model::kAmountNames) {
        sums += fmt::format(", toDecimal128(sumIf({}, inside), 6)", amount);
    }
    const std::string sql = fmt::format(
        "SELECT player, game, hour_number, countIf(inside){0}, groupArrayIf((content, ms), "
        "inside), "
        "countIf(NOT inside){1} FROM (SELECT user_id AS player, game_id AS game, "
        "toUInt32(intDiv(toUnixTimestamp64Milli(created_timestamp), 3600000)) AS hour_number, "
        "toUInt32(toUnixTimestamp64Milli(created_timestamp) % 3600000) AS ms, {2} AS inside, "
        "real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win, "
        "{5} AS content "
        "FROM {4} FINAL WHERE {3}) GROUP BY player, game, hour_number "
        "ORDER BY player, game, hour_number FORMAT RowBinary",
        sums, others, scoped ? of_providers_sql(selection.scope, "provider") : "toUInt8(1)",
        query.where, store.all("game_rounds"), stored_content_sql(key));
    return open_keys(store, Columns{.marks = true, .others = true}, sql, query.parameters);
}

Result<KeyStream> open_aggregated(const clickhouse::Store& store,
                                  const StoredSelection& selection) {
    const Condition query = condition_of(store, selection, "hour");
    const std::string sql = fmt::format(
        "SELECT player_id, game_id, toUInt32(intDiv(toUnixTimestamp(hour), 3600)) AS hour_number, "
        "sum(rounds), {} FROM {} FINAL WHERE {} GROUP BY player_id, game_id, hour_number "
        "ORDER BY player_id, game_id, hour_number FORMAT RowBinary",
        kAmountsSql, store.all("hourly"), query.where);
    return open_keys(store, Columns{}, sql, query.parameters);
}

}  // namespace rh::reconcile
