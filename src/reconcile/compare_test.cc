#include "reconcile/compare.h"

#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace rh::reconcile {
namespace {

// One round as the three sides would see it.
struct Round {
    std::string player;
    uint32_t hour = 0;
    uint64_t content = 0;  // 0: no mark, as in the aggregate
    int64_t micros = 0;
};

std::vector<KeyRow> side(const std::vector<Round>& rounds) {
    std::vector<KeyRow> rows;
    for (const Round& round : rounds) {  // given in the order of the key
        const Key key{round.player, 1, round.hour};
        if (rows.empty() || rows.back().key != key) {
            rows.emplace_back().key = key;
        }
        ++rows.back().figures.rows;
        rows.back().figures.sums[0].add(round.micros);
        rows.back().marks.push_back({round.content, 5});
    }
    return rows;
}

RowSource source(std::vector<KeyRow> rows) {
    return [rows = std::move(rows), at = size_t{0}](KeyRow& row) mutable -> Result<bool> {
        if (at == rows.size()) {
            return false;
        }
        row = rows[at++];
        return true;
    };
}

using Found = std::vector<std::tuple<std::string, uint32_t, std::string>>;

Found breaks(const std::vector<Round>& original, const std::vector<Round>& stored,
             const std::vector<Round>& aggregated, CompareOptions options = {}) {
    Found found;
    const auto result =
        compare(source(side(original)), source(side(stored)), source(side(aggregated)), options,
                [&](const Discrepancy& d) {
                    found.emplace_back(d.key.player, d.key.hour, std::string(name(d.break_class)));
                    return Result<void>();
                });
    EXPECT_TRUE(result);
    EXPECT_EQ(result->discrepancies, found.size());
    return found;
}

const std::vector<Round> kGood = {
    {"a", 1, 11, 100}, {"a", 1, 12, 200}, {"a", 2, 13, 300}, {"b", 1, 14, 400}};

std::vector<Round> with(std::vector<Round> rounds, size_t at, Round round) {
    rounds[at] = std::move(round);
    return rounds;
}
std::vector<Round> without(std::vector<Round> rounds, size_t at) {
    rounds.erase(rounds.begin() + static_cast<std::ptrdiff_t>(at));
    return rounds;
}
std::vector<Round> plus(std::vector<Round> rounds, size_t at, Round round) {
    rounds.insert(rounds.begin() + static_cast<std::ptrdiff_t>(at), std::move(round));
    return rounds;
}

TEST(Compare, NamesNothingWhenAllAgree) { EXPECT_EQ(breaks(kGood, kGood, kGood), Found{}); }

TEST(Compare, NamesARowThatIsMissingOrExtra) {
    EXPECT_EQ(breaks(kGood, without(kGood, 0), kGood), (Found{{"a", 1, "missing_in_store"}}));
    EXPECT_EQ(breaks(kGood, without(kGood, 3), kGood), (Found{{"b", 1, "missing_in_store"}}));
    EXPECT_EQ(breaks(kGood, plus(kGood, 4, {"c", 9, 99, 1}), kGood),
              (Found{{"c", 9, "extra_in_store"}}));
}

TEST(Compare, NamesARowThatIsThereTwice) {
    EXPECT_EQ(breaks(kGood, plus(kGood, 1, {"a", 1, 11, 100}), kGood),
              (Found{{"a", 1, "duplicate"}}));
    const auto twice = plus(kGood, 1, {"a", 1, 11, 100});
    EXPECT_EQ(breaks(twice, kGood, kGood), (Found{{"a", 1, "missing_in_store"}}));
    EXPECT_EQ(breaks(twice, kGood, kGood, {.original_may_repeat = true}),
              (Found{{"a", 1, "duplicate"}}));
}

TEST(Compare, NamesAnAmountThatDiffersByAMillionth) {
    EXPECT_EQ(breaks(kGood, with(kGood, 1, {"a", 1, 77, 201}), kGood),
              (Found{{"a", 1, "amount_mismatch"}}));
}

TEST(Compare, FindsErrorsThatCancelOut) {
    const auto cancelled = with(with(kGood, 0, {"a", 1, 71, 101}), 1, {"a", 1, 72, 199});
    EXPECT_EQ(breaks(kGood, cancelled, kGood), (Found{{"a", 1, "amount_mismatch"}}));
}

TEST(Compare, NamesCountsThatNothingSimplerExplains) {
    EXPECT_EQ(breaks(kGood, with(without(kGood, 0), 0, {"a", 1, 78, 250}), kGood),
              (Found{{"a", 1, "count_mismatch"}}));
}

TEST(Compare, PairsARowThatMovedToAnotherHour) {
    EXPECT_EQ(breaks(kGood, with(kGood, 1, {"a", 2, 12, 200}), kGood),
              (Found{{"a", 1, "wrong_hour"}, {"a", 2, "wrong_hour"}}));
    // Not between players.
    EXPECT_EQ(breaks(kGood, with(kGood, 3, {"c", 1, 14, 400}), kGood),
              (Found{{"b", 1, "missing_in_store"}, {"c", 1, "extra_in_store"}}));
}

TEST(Compare, NamesAnAggregateThatLeavesItsRows) {
    EXPECT_EQ(breaks(kGood, kGood, with(kGood, 2, {"a", 2, 0, 301})),
              (Found{{"a", 2, "aggregate_stale"}}));
    EXPECT_EQ(breaks(kGood, kGood, without(kGood, 3)), (Found{{"b", 1, "aggregate_stale"}}));
}

TEST(Compare, TakesWhatTheScopeLeavesOutFromTheAggregate) {
    auto stored = side(kGood);
    stored[2].others.rows = 2;
    stored[2].others.sums[0].micros = 50;
    auto aggregated = side(kGood);
    aggregated[2].figures.rows += 2;
    aggregated[2].figures.sums[0].micros += 50;
    uint64_t found = 0;
    const auto result = compare(source(side(kGood)), source(stored), source(aggregated), {},
                                [&](const Discrepancy&) {
                                    ++found;
                                    return Result<void>();
                                });
    ASSERT_TRUE(result);
    EXPECT_EQ(found, 0U);
    EXPECT_EQ(result->aggregated, result->original);
}

TEST(Compare, LeavesKeysOfOthersAlone) {
    auto stored = side(kGood);
    stored.emplace_back().key = {"c", 1, 1};
    stored.back().others.rows = 2;
    auto aggregated = side(kGood);
    aggregated.emplace_back().key = {"c", 1, 1};
    aggregated.back().figures.rows = 3;  // wrong, but of a provider that is not compared
    const auto result = compare(source(side(kGood)), source(stored), source(aggregated), {},
                                [](const Discrepancy&) { return Result<void>(); });
    ASSERT_TRUE(result);
    EXPECT_EQ(result->discrepancies, 0U);
    EXPECT_EQ(result->aggregated, result->stored);
}

TEST(Compare, AStreamThatBreaksIsNoVerdict) {
    const RowSource broken = [](KeyRow&) -> Result<bool> {
        return fail(ErrorKind::unavailable, "clickhouse_unavailable", "");
    };
    EXPECT_FALSE(compare(source(side(kGood)), broken, source(side(kGood)), {},
                         [](const Discrepancy&) { return Result<void>(); }));
}

}  // namespace
}  // namespace rh::reconcile
