#include "aggregates/period.h"

#include <ctime>

#include <gtest/gtest.h>

namespace rh::aggregates {
namespace {

// The period an instant belongs to, by the C library's calendar.
int64_t period_of(Granularity granularity, int offset_hours, int64_t second) {
    const std::time_t local = second + offset_hours * 3600;
    std::tm parts{};
    gmtime_r(&local, &parts);
    switch (granularity) {
        case Granularity::hour:
            return second - second % 3600;
        case Granularity::day:
            parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
            return timegm(&parts) / 86'400;
        case Granularity::month:
            return (parts.tm_year + 1900) * 100 + parts.tm_mon + 1;
        case Granularity::total:
            return 0;
    }
    return -1;
}

TEST(Period, BeginsAndEndsWhereTheCalendarSays) {
    for (const Granularity granularity :
         {Granularity::hour, Granularity::day, Granularity::month}) {
        for (const int offset : {-12, -1, 0, 2, 14}) {
            for (int64_t second = 86'400; second < (int64_t{1} << 32); second += 40'000'003) {
                const int64_t period = period_of(granularity, offset, second);
                ASSERT_TRUE(valid_period(granularity, period)) << period;
                const int64_t begin = period_begin_s(granularity, offset, period);
                const int64_t end = period_end_s(granularity, offset, period);
                ASSERT_LE(begin, second);
                ASSERT_GT(end, second);
                ASSERT_EQ(period_of(granularity, offset, begin < 0 ? 0 : begin), period);
                ASSERT_EQ(period_of(granularity, offset, end - 1), period);
                ASSERT_NE(period_of(granularity, offset, end), period);
            }
        }
    }
}

TEST(Period, ReadsAsADate) {
    EXPECT_EQ(period_text(Granularity::hour, 1'571'731'200), "2019-10-22T08:00:00Z");
    EXPECT_EQ(period_text(Granularity::day, 18'191), "2019-10-22");
    EXPECT_EQ(period_text(Granularity::day, -1), "1969-12-31");
    EXPECT_EQ(period_text(Granularity::month, 201'910), "2019-10");
    EXPECT_EQ(period_text(Granularity::total, 0), "");
}

TEST(Period, RefusesNumbersThatAreNone) {
    EXPECT_FALSE(valid_period(Granularity::hour, 1));
    EXPECT_FALSE(valid_period(Granularity::hour, -3600));
    EXPECT_FALSE(valid_period(Granularity::day, -2));
    EXPECT_FALSE(valid_period(Granularity::day, 60'000));
    EXPECT_FALSE(valid_period(Granularity::month, 201'913));
    EXPECT_FALSE(valid_period(Granularity::month, 201'900));
    EXPECT_FALSE(valid_period(Granularity::total, 1));
}

}  // namespace
}  // namespace rh::aggregates
