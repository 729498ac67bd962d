#include "model/timestamp.h"

#include <gtest/gtest.h>

namespace rh::model {
namespace {

TEST(Timestamp, formats_with_milliseconds_only_if_there_are_any) {
    EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(1571732441000), "2019-10-22T08:20:41Z");
    EXPECT_EQ(format_rfc3339(1571732441007), "2019-10-22T08:20:41.007Z");
    EXPECT_EQ(format_rfc3339(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Timestamp, reads_dates_offsets_and_fractions) {
    EXPECT_EQ(parse_rfc3339("2019-10-22"), 1571702400000);
    EXPECT_EQ(parse_rfc3339("2019-10-22T08:20:41Z"), 1571732441000);
    EXPECT_EQ(parse_rfc3339("2019-10-22T10:20:41.0079+02:00"), 1571732441007);
    EXPECT_EQ(parse_rfc3339("2019-10-22T03:20:41-05:00"), 1571732441000);
}

TEST(Timestamp, refuses_what_is_no_instant) {
    for (const char* text : {"", "2019", "2019-02-29", "2019-13-01", "2019-10-22T24:00:00Z",
                             "2019-10-22T08:20:41", "2019-10-22T08:20:41.Z", "2019-10-22 08:20:41Z",
                             "2019-10-22T08:20:41+2:00", "2019-10-22T08:20:41Zx"}) {
        EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace rh::model
