#include "aggregates/cursor.h"

#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace rh::aggregates {
namespace {

Query sample_query() {
    Query query;
    query.player_ids = {"p1", "p2"};
    query.game_ids = {7, 10'100};
    query.from_ms = 1'571'700'000'000;
    return query;
}

const Key kKey{"p1", 10'100, 1'571'731'200};

std::string code_of(std::string_view text, const Query& query) {
    const auto cursor = decode_cursor(text, query);
    return cursor ? "" : cursor.error().code;
}

TEST(Cursor, ComesBackAsItWas) {
    Query query = sample_query();
    for (const Key& key : {kKey, Key{"", 0, 0}, Key{std::string(512, '\xC3'), INT64_MAX, 3600},
                           Key{"Zoë, \"=1\"", 1, 4'294'965'600}}) {
        const Cursor cursor{UINT64_MAX - 1, key};
        const auto back = decode_cursor(encode_cursor(cursor, query), query);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, cursor);
    }
    query.granularity = Granularity::day;
    const Cursor before_1970{1, {"p", 1, -1}};
    EXPECT_EQ(decode_cursor(encode_cursor(before_1970, query), query).value(), before_1970);
}

TEST(Cursor, NeedsNoEscapingInUrls) {
    const std::string text = encode_cursor({3, {"ÿ~?+/=&", 1, 3600}}, sample_query());
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
              std::string::npos);
}

TEST(Cursor, BelongsToOneQuery) {
    const std::string text = encode_cursor({3, kKey}, sample_query());
    const auto changes = std::to_array<void (*)(Query&)>({
        [](Query& q) { q.player_ids.pop_back(); },
        [](Query& q) { q.player_ids = {"p", "1p2"}; },
        [](Query& q) { q.player_ids.clear(); },
        [](Query& q) { q.game_ids[0] = 8; },
        [](Query& q) { q.from_ms.reset(); },
        [](Query& q) { q.to_ms = q.from_ms, q.from_ms.reset(); },
        [](Query& q) { q.granularity = Granularity::day; },
        [](Query& q) { q.offset_hours = 1; },
        [](Query& q) { q.as_of = 3; },
        [](Query& q) { q.by_game = false; },
        [](Query& q) { q.order = Order::game; },
    });
    for (size_t i = 0; i < changes.size(); ++i) {
        Query other = sample_query();
        changes[i](other);
        EXPECT_EQ(code_of(text, other), "cursor_mismatch") << "change " << i;
    }
    EXPECT_EQ(code_of(text, sample_query()), "");
}

TEST(Cursor, DamagedTextIsRefused) {
    const Query query = sample_query();
    const std::string text = encode_cursor({3, kKey}, query);
    for (const std::string& bad :
         {std::string(), std::string("x"), std::string("====="), std::string(5000, 'A'),
          std::string("not a cursor"), text + "A!", text.substr(1)}) {
        EXPECT_EQ(code_of(bad, query), "bad_cursor") << bad;
    }
    for (size_t length = 0; length < text.size(); ++length) {
        EXPECT_EQ(code_of(text.substr(0, length), query), "bad_cursor") << length;
    }
    const uint64_t seed = test_seed();
    SCOPED_TRACE("RH_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::string damaged = text;
        // The last character has bits that stand for nothing.
        char& c = damaged[random() % (damaged.size() - 1)];
        c = c == 'A' ? 'B' : 'A';
        EXPECT_EQ(code_of(damaged, query), "bad_cursor") << damaged;
    }
}

TEST(Cursor, PeriodMustFitTheGranularity) {
    const Query query = sample_query();
    EXPECT_EQ(code_of(encode_cursor({3, {"p", 1, 3601}}, query), query), "bad_cursor");
    EXPECT_EQ(code_of(encode_cursor({3, {"p", 1, INT64_MAX}}, query), query), "bad_cursor");
    EXPECT_EQ(code_of(encode_cursor({3, {"p", 1, INT64_MIN}}, query), query), "bad_cursor");
}

}  // namespace
}  // namespace rh::aggregates
