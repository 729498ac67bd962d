#include "publish/game_hours.h"

#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace rh::publish {
namespace {

TEST(GameHours, AreThoseOfASet) {
    const uint64_t used = test_seed();
    SCOPED_TRACE("RH_TEST_SEED=" + std::to_string(used));
    std::mt19937_64 random(used);
    for (const int64_t games : {1, 50, 40'000}) {
        GameHours found;
        std::set<model::GameHour> expected;
        for (int batch = 0; batch < 40; ++batch) {
            model::RowBatch rows;
            for (uint64_t i = 0, n = random() % 9000; i < n; ++i) {
                const auto game = static_cast<int64_t>(random() % static_cast<uint64_t>(games));
                const auto ms = static_cast<int64_t>(random() % (30 * model::kHourMs));
                rows.row_number.push_back(i + 1);
                rows.game_id.push_back(game);
                rows.created_ms.push_back(ms);
                expected.insert({.game_id = game, .hour = ms / 3'600'000});
            }
            found.add(rows);
        }
        const auto all = found.finish();
        ASSERT_TRUE(all);
        EXPECT_EQ(*all, std::vector(expected.begin(), expected.end()));
    }
}

TEST(GameHours, AreNoneIfThereAreTooMany) {
    for (const int64_t games : {1000, 1001}) {
        GameHours found(1000);
        model::RowBatch rows;
        for (int64_t game = 0; game < games; ++game) {
            rows.row_number.push_back(static_cast<uint64_t>(game) + 1);
            rows.game_id.push_back(game);
            rows.created_ms.push_back(0);
        }
        for (int again = 0; again < 200; ++again) {  // often enough that repeats are dropped
            found.add(rows);
        }
        EXPECT_EQ(found.finish().has_value(), games == 1000);
    }
}

}  // namespace
}  // namespace rh::publish
