#include "aggregates/query.h"

#include <gtest/gtest.h>

namespace rh::aggregates {
namespace {

bool comes_before(const Query& query, const Key& a, const Key& b) {
    return aggregates::comes_before(query, key_fields(query), a, b);
}

// In the order of the answer, as ClickHouse has it: players by bytes, games and times by number.
TEST(QueryTest, KeysAreOrderedAsInTheAnswer) {
    Query query;
    const std::vector<Key> by_player = {
        {"B", 10, 7}, {"a", 9, 8}, {"a", 10, 7}, {"a", 10, 8}, {"\xc3\xa9", 1, 1}};
    for (size_t i = 0; i < by_player.size(); ++i) {
        for (size_t j = 0; j < by_player.size(); ++j) {
            EXPECT_EQ(comes_before(query, by_player[i], by_player[j]), i < j) << i << " " << j;
        }
    }
    query.order = Order::game;
    EXPECT_TRUE(comes_before(query, {"b", 9, 8}, {"a", 10, 7}));
    query.order = Order::time;
    EXPECT_TRUE(comes_before(query, {"b", 10, 7}, {"a", 9, 8}));
    query.order = Order::latest;
    EXPECT_TRUE(comes_before(query, {"b", 10, 8}, {"a", 9, 7}));
    EXPECT_TRUE(comes_before(query, {"a", 10, 8}, {"b", 9, 8}));
}

TEST(QueryTest, FieldsThatAreNotGroupedByDoNotOrder) {
    Query query;
    query.by_player = false;
    query.granularity = Granularity::total;
    query.order = Order::game;
    EXPECT_FALSE(comes_before(query, {"a", 5, 1}, {"b", 5, 2}));
    EXPECT_FALSE(comes_before(query, {"b", 5, 2}, {"a", 5, 1}));
}

}  // namespace
}  // namespace rh::aggregates
