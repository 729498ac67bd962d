#include "kafka/properties.h"

#include <gtest/gtest.h>

namespace rh::kafka {
namespace {

TEST(Properties, AreReadLineByLine) {
    const auto settings = parse_properties(
        "# how to reach the brokers\n"
        "security.protocol = SASL_SSL\r\n"
        "\n"
        "sasl.password=a=b#c\n"
        "ssl.ca.location=");
    ASSERT_TRUE(settings);
    const Settings expected = {
        {"security.protocol", "SASL_SSL"}, {"sasl.password", "a=b#c"}, {"ssl.ca.location", ""}};
    EXPECT_EQ(*settings, expected);
}

TEST(Properties, AWrongLineIsNamedButNotShown) {
    const auto settings = parse_properties("a=b\nhunter2\n");
    ASSERT_FALSE(settings);
    EXPECT_EQ(settings.error().message, "Line 2 is not name=value.");
    EXPECT_FALSE(parse_properties("=x"));
}

}  // namespace
}  // namespace rh::kafka
