#include "publish/duplicate_ids.h"

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/test_seed.h"

namespace rh::publish {
namespace {

std::string spill_path() {
    return (std::filesystem::temp_directory_path() / ("ids_" + std::to_string(::getpid())))
        .string();
}

// The same by a map.
DuplicateIds::Count oracle(const std::vector<int64_t>& ids) {
    std::map<int64_t, uint64_t> rows;
    for (const int64_t id : ids) {
        ++rows[id];
    }
    DuplicateIds::Count count;
    for (const auto& [id, n] : rows) {
        if (n > 1) {
            ++count.ids;
            count.repeats += n - 1;
            count.smallest = count.smallest.value_or(id);
        }
    }
    return count;
}

DuplicateIds::Count counted(const std::vector<int64_t>& ids, size_t memory, size_t run_ids) {
    DuplicateIds counter(spill_path(), memory, run_ids);
    for (size_t at = 0; at < ids.size(); at += 1'000) {
        const auto piece = std::span(ids).subspan(at, std::min<size_t>(1'000, ids.size() - at));
        EXPECT_TRUE(counter.add(piece));
    }
    EXPECT_FALSE(std::filesystem::exists(spill_path()));
    return counter.finish().value();
}

TEST(DuplicateIds, CountsAsAMapDoesWithAndWithoutSpilling) {
    const uint64_t start = test_seed();
    std::mt19937_64 random(start);
    for (int round = 0; round < 30; ++round) {
        SCOPED_TRACE("RH_TEST_SEED=" + std::to_string(start) + " round " + std::to_string(round));
        std::vector<int64_t> ids;
        int64_t next = static_cast<int64_t>(random() % 100'000);
        const uint64_t scattered = random() % 3;  // none, some, many
        for (int i = 0; i < 20'000; ++i) {
            const uint64_t die = random() % 100;
            if (die < 40 * scattered) {
                ids.push_back(static_cast<int64_t>(random() >> (1 + random() % 50)));
            } else if (die > 97 && !ids.empty()) {
                ids.push_back(ids[random() % ids.size()]);
            } else {
                ids.push_back(next++);
            }
        }
        const auto expected = oracle(ids);
        EXPECT_EQ(counted(ids, 64 << 20, 1 << 20), expected);
        EXPECT_EQ(counted(ids, 40'000, 700), expected);
        EXPECT_EQ(counted(ids, 0, 20'000), expected);
    }
}

TEST(DuplicateIds, HoldsTheBoundsOfTheType) {
    EXPECT_EQ(counted({}, 1 << 20, 10), DuplicateIds::Count{});
    const std::vector<int64_t> ids = {INT64_MAX, 0, INT64_MAX, INT64_MAX, 0, 1};
    const DuplicateIds::Count expected{.ids = 2, .repeats = 3, .smallest = 0};
    EXPECT_EQ(counted(ids, 1 << 20, 10), expected);
    EXPECT_EQ(counted(ids, 0, 1), expected);
}

}  // namespace
}  // namespace rh::publish
