#include "aggregates/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rh::aggregates {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHostile = "x' OR 1=1 -- \\ {p0:String}";

Query hostile_query() {
    Query query;
    query.player_ids = {kHostile};
    query.game_ids = {1, 2};
    query.from_ms = 0;
    query.to_ms = 3'600'000;
    return query;
}

std::vector<Statement> statements(const Query& query, const Key& key) {
    return {find_page_end(query, 7, key, 100), sum_page(query, 7, key, key, 100),
            walk_rows(query, 7, key, 100), count_rows(query, 7, rollup_of(query))};
}

TEST(Sql, ValuesTravelAsParameters) {
    for (const Statement& statement : statements(hostile_query(), {kHostile, 424'242, 3600})) {
        EXPECT_THAT(statement.sql, Not(HasSubstr("OR 1=1")));
        EXPECT_THAT(statement.sql, Not(HasSubstr("424242")));
        for (const auto& [name, value] : statement.parameters) {
            EXPECT_THAT(statement.sql, HasSubstr("{" + name + ":")) << value;
        }
    }
}

TEST(Sql, EveryStatementKeepsToVisibleUploadsOfRollups) {
    for (const bool by_player : {true, false}) {
        Query query;
        query.by_player = by_player;
        query.order = possible_orders(query).front();
        for (const Statement& statement : statements(query, {"p", 1, 3600})) {
            EXPECT_THAT(statement.sql, HasSubstr("FROM uploads FINAL WHERE stored_version <= "));
            EXPECT_THAT(statement.sql, Not(HasSubstr("game_rounds")));
            EXPECT_THAT(statement.sql, HasSubstr("FORMAT RowBinary"));
        }
    }
}

TEST(Sql, SumsReadEachKeyOnce) {
    EXPECT_THAT(sum_page(Query(), 7, std::nullopt, std::nullopt, 9).sql, HasSubstr("hourly FINAL"));
    EXPECT_THAT(walk_rows(Query(), 7, std::nullopt, 9).sql, HasSubstr("hourly FINAL"));
}

TEST(Sql, AWalkGoesInTheOrderOfTheRollup) {
    Query query;
    const auto walk = [&query] { return walk_rows(query, 7, std::nullopt, 9).sql; };
    EXPECT_THAT(walk(), HasSubstr("FROM hourly FINAL"));
    EXPECT_THAT(walk(), HasSubstr(" ORDER BY player_id, game_id, hour LIMIT "));
    EXPECT_THAT(walk(), Not(HasSubstr("GROUP BY")));
    query.granularity = Granularity::total;
    EXPECT_THAT(walk(), HasSubstr(" ORDER BY player_id, game_id LIMIT "));
    query.granularity = Granularity::day;
    query.game_ids = {1};
    EXPECT_THAT(walk(), HasSubstr(" ORDER BY game_id, player_id, hour LIMIT "));
}

TEST(Sql, PicksTheRollupThatIsSortedForTheQuestion) {
    Query query;
    EXPECT_EQ(rollup_of(query), "hourly");
    query.order = Order::game;
    EXPECT_EQ(rollup_of(query), "hourly_by_game");
    query.player_ids = {"p"};
    EXPECT_EQ(rollup_of(query), "hourly");
    query.player_ids.clear();
    query.order = Order::player;
    query.game_ids = {1};
    EXPECT_EQ(rollup_of(query), "hourly_by_game");
    query.by_player = false;
    EXPECT_EQ(rollup_of(query), "game_hourly");
}

TEST(Sql, PageLimitsAndOrder) {
    Query query;
    const Statement walk = find_page_end(query, 7, std::nullopt, 50);
    EXPECT_THAT(walk.sql, HasSubstr("ORDER BY player_id, game_id, period LIMIT 2 OFFSET {"));
    EXPECT_EQ(walk.parameters.back().second, "49");
    query.order = Order::latest;
    query.player_ids = {"p"};
    const Statement sums = sum_page(query, 7, std::nullopt, std::nullopt, 51);
    EXPECT_THAT(sums.sql, HasSubstr("ORDER BY period DESC, player_id, game_id LIMIT {"));
    EXPECT_EQ(sums.parameters.back().second, "51");
}

TEST(Sql, WalksOnlyWhatIsSorted) {
    Query query;
    EXPECT_TRUE(is_walkable(query));
    query.player_ids = {"p"};
    EXPECT_TRUE(is_walkable(query));
    for (const Order order : {Order::game, Order::time, Order::latest}) {
        query.order = order;
        EXPECT_FALSE(is_walkable(query)) << name(order);
    }
    query.player_ids.clear();
    query.by_player = false;
    EXPECT_FALSE(is_walkable(query));
    query.order = Order::game;
    EXPECT_TRUE(is_walkable(query));
}

TEST(Sql, OneGameIsReadInItsOwnOrder) {
    Query query;
    query.game_ids = {5};
    EXPECT_THAT(find_page_end(query, 7, std::nullopt, 1).sql,
                HasSubstr("GROUP BY game_id, player_id, period ORDER BY game_id, player_id, "));
    query.by_game = false;
    EXPECT_THAT(find_page_end(query, 7, std::nullopt, 1).sql,
                HasSubstr("GROUP BY game_id, player_id, period ORDER BY game_id, player_id, "));
}

TEST(Sql, TimesBeyondTheStoreAreCutToIt) {
    Query query;
    query.from_ms = -86'400'000;
    query.to_ms = int64_t{1} << 50;
    std::vector<std::string> values;
    for (const auto& [name, value] : count_rows(query, 7, rollup_of(query)).parameters) {
        values.push_back(value);
    }
    EXPECT_THAT(values, testing::IsSupersetOf({"0", "4294967295"}));
}

TEST(Sql, BoundsAreNestedComparisons) {
    const Statement statement = find_page_end(Query(), 7, Key{"p", 5, 3600}, 1);
    EXPECT_THAT(statement.sql, testing::ContainsRegex(
                                   R"(\(player_id > .* OR \(player_id = .* AND \(game_id > .* OR )"
                                   R"(\(game_id = .* AND hour >= .*\)\)\)\))"));
}

}  // namespace
}  // namespace rh::aggregates
