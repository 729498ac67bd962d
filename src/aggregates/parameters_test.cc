#include "aggregates/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rh::aggregates {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;
using testing::ElementsAre;
using testing::HasSubstr;

Asked parsed(const Parameters& parameters) {
    const auto asked = parse_parameters(parameters);
    EXPECT_TRUE(asked) << asked.error().code << ": " << asked.error().message;
    return asked.value_or(Asked{});
}

TEST(Parameters, DefaultsAskForEverythingByHour) {
    const Asked asked = parsed({});
    EXPECT_EQ(asked.query.granularity, Granularity::hour);
    EXPECT_TRUE(asked.query.by_player && asked.query.by_game);
    EXPECT_EQ(asked.query.order, Order::player);
    EXPECT_FALSE(asked.limit || asked.query.from_ms || asked.query.to_ms || asked.query.as_of);
    EXPECT_TRUE(asked.csv_guard);
    EXPECT_FALSE(asked.exact_count);
}

TEST(Parameters, RepeatedIdsAreASet) {
    const Asked asked = parsed({{"player_id", "b"},
                                {"game_id", "9"},
                                {"player_id", "a"},
                                {"game_id", "10"},
                                {"player_id", "b"}});
    EXPECT_THAT(asked.query.player_ids, ElementsAre("a", "b"));
    EXPECT_THAT(asked.query.game_ids, ElementsAre(9, 10));
}

TEST(Parameters, DatesAreMidnightInTheTimeZone) {
    const Asked asked =
        parsed({{"from", "2019-10-22"}, {"to", "2019-10-22T08:00:00Z"}, {"timezone", "+02:00"}});
    EXPECT_EQ(asked.query.from_ms, 1'571'695'200'000);  // 2019-10-21T22:00:00Z
    EXPECT_EQ(asked.query.to_ms, 1'571'731'200'000);
    EXPECT_EQ(asked.query.offset_hours, 2);
}

TEST(Parameters, PlusMayArriveAsABlank) {
    EXPECT_EQ(parsed({{"timezone", " 02:00"}}).query.offset_hours, 2);
    EXPECT_EQ(parsed({{"from", "2019-10-22T10:00:00 02:00"}}).query.from_ms, 1'571'731'200'000);
}

TEST(Parameters, TimeZonesAreWholeHours) {
    for (const auto& [text, hours] :
         std::initializer_list<std::pair<const char*, int>>{{"UTC", 0},
                                                            {"Z", 0},
                                                            {"+00:00", 0},
                                                            {"-05:00", -5},
                                                            {"+14", 14},
                                                            {"-12", -12},
                                                            {"+3", 3}}) {
        EXPECT_EQ(parsed({{"timezone", text}}).query.offset_hours, hours) << text;
    }
}

TEST(Parameters, GroupingNamesFields) {
    EXPECT_FALSE(parsed({{"group_by", "player_id"}}).query.by_game);
    const Asked both = parsed({{"group_by", "game_id,player_id"}});
    EXPECT_TRUE(both.query.by_player && both.query.by_game);
    const Asked repeated = parsed({{"group_by", "game_id"}, {"group_by", "player_id"}});
    EXPECT_TRUE(repeated.query.by_player && repeated.query.by_game);
    const Asked none = parsed({{"group_by", "none"}});
    EXPECT_FALSE(none.query.by_player || none.query.by_game);
    EXPECT_EQ(none.query.order, Order::time);
    EXPECT_EQ(parsed({{"group_by", "game_id"}}).query.order, Order::game);
    EXPECT_TRUE(key_fields(parsed({{"group_by", "none"}, {"granularity", "total"}}).query).empty());
}

TEST(Parameters, TimeOrderNeedsFewRows) {
    EXPECT_EQ(parsed({{"order", "-time"}, {"player_id", "p"}}).query.order, Order::latest);
    EXPECT_EQ(parsed({{"order", "time"}, {"group_by", "game_id"}}).query.order, Order::time);
    const auto refused = parse_parameters(Parameters{{"order", "time"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "unsupported_order");
    EXPECT_THAT(refused.error().message, HasSubstr("player, game"));
}

TEST(Parameters, KeyFieldsFollowTheOrder) {
    using enum KeyField;
    const auto fields = [](const Parameters& parameters) {
        return key_fields(parsed(parameters).query);
    };
    EXPECT_THAT(fields({}), ElementsAre(player, game, period));
    EXPECT_THAT(fields({{"order", "game"}}), ElementsAre(game, player, period));
    EXPECT_THAT(fields({{"order", "time"}, {"player_id", "p"}}), ElementsAre(period, player, game));
    EXPECT_THAT(fields({{"granularity", "total"}}), ElementsAre(player, game));
    EXPECT_THAT(fields({{"group_by", "game_id"}, {"order", "-time"}}), ElementsAre(period, game));
}

struct Refusal {
    Parameters parameters;
    const char* code;
    const char* says;  // a part of the message that helps
};

class RefusedParameters : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedParameters, AreNamed) {
    const auto asked = parse_parameters(GetParam().parameters);
    ASSERT_FALSE(asked);
    EXPECT_EQ(asked.error().kind, ErrorKind::invalid_request);
    EXPECT_EQ(asked.error().code, GetParam().code);
    EXPECT_THAT(asked.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Each, RefusedParameters,
    testing::Values(
        Refusal{{{"player_id", ""}}, "bad_player_id", "128"},
        Refusal{{{"player_id", "a\nb"}}, "bad_player_id", "control"},
        Refusal{{{"player_id", std::string(513, 'a')}}, "bad_player_id", "128"},
        Refusal{Parameters(501, {"player_id", "a"}), "bad_player_id", "500"},
        Refusal{{{"game_id", "-1"}}, "bad_game_id", "9223372036854775807"},
        Refusal{{{"game_id", "9223372036854775808"}}, "bad_game_id", "9223372036854775807"},
        Refusal{{{"game_id", "1.0"}}, "bad_game_id", "whole number"},
        Refusal{{{"game_id", ""}}, "bad_game_id", "whole number"},
        Refusal{{{"from", "yesterday"}}, "bad_date", "`yesterday`"},
        Refusal{{{"to", "2019-02-30"}}, "bad_date", "2019-10-22"},
        Refusal{{{"from", "2019-10-22T08:20:41Z"}}, "bad_range", "2019-10-22T09:00:00Z"},
        Refusal{{{"from", "2019-10-22T08:00:00+05:30"}}, "bad_range", "2019-10-22T02:00:00Z"},
        Refusal{{{"from", "2019-10-22"}, {"to", "2019-10-22"}}, "bad_range", "before"},
        Refusal{{{"from", "2019-10-23"}, {"to", "2019-10-22"}}, "bad_range", "before"},
        Refusal{{{"granularity", "week"}}, "unknown_granularity", "hour, day, month, total"},
        Refusal{{{"timezone", "+05:30"}}, "bad_timezone", "whole"},
        Refusal{{{"timezone", "Europe/Malta"}}, "bad_timezone", "summer time"},
        Refusal{{{"timezone", "+15:00"}}, "bad_timezone", "+14:00"},
        Refusal{{{"timezone", "-13:00"}}, "bad_timezone", "-12:00"},
        Refusal{{{"timezone", "2"}}, "bad_timezone", "UTC"},
        Refusal{{{"timezone", "+002"}}, "bad_timezone", "UTC"},
        Refusal{{{"as_of", "now"}}, "bad_version", "version"},
        Refusal{{{"group_by", "provider"}}, "unknown_group_by", "player_id, game_id, none"},
        Refusal{{{"group_by", ""}}, "unknown_group_by", "player_id, game_id, none"},
        Refusal{{{"group_by", "none,game_id"}}, "unknown_group_by", "joined"},
        Refusal{{{"order", "rounds"}}, "unknown_order", "player, game, time, -time"},
        Refusal{{{"order", "game"}, {"group_by", "player_id"}}, "unsupported_order", "in player"},
        Refusal{{{"limit", "0"}}, "bad_limit", "1 to 10000"},
        Refusal{{{"limit", "10001"}}, "bad_limit", "1 to 10000"},
        Refusal{{{"limit", "ten"}}, "bad_limit", "`ten`"},
        Refusal{{{"cursor", ""}}, "bad_cursor", "Leave"},
        Refusal{{{"count", "yes"}}, "bad_count", "exact"},
        Refusal{{{"csv_guard", "no"}}, "bad_csv_guard", "true nor false"},
        Refusal{{{"partial", "1"}}, "bad_partial", "true nor false"}));

TEST(Parameters, WhatTimeOrdersNeedIsSaidOfThemOnly) {
    const auto total = parse_parameters(
        Parameters{{"granularity", "total"}, {"group_by", "none"}, {"order", "player"}});
    EXPECT_THAT(total.error().message, ::testing::EndsWith("only in time, -time."));
    const auto latest = parse_parameters(Parameters{{"order", "-time"}});
    EXPECT_THAT(latest.error().message, HasSubstr("need players named"));
}

TEST(Parameters, PartialIsAskedFor) {
    EXPECT_FALSE(parse_parameters(Parameters{})->partial);
    EXPECT_TRUE(parse_parameters(Parameters{{"partial", "true"}})->partial);
    EXPECT_FALSE(parse_parameters(Parameters{{"partial", "false"}})->partial);
}

TEST(Parameters, LongValuesAreCutInMessages) {
    std::string long_text = std::string(63, 'x') + "é" + std::string(5000, 'y');
    const auto asked = parse_parameters(Parameters{{"order", long_text}});
    ASSERT_FALSE(asked);
    EXPECT_LT(asked.error().message.size(), 200U);
    EXPECT_THAT(asked.error().message, HasSubstr(std::string(63, 'x') + "…"));
}

}  // namespace
}  // namespace rh::aggregates
