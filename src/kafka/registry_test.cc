#include "kafka/registry.h"

#include <gtest/gtest.h>

namespace rh::kafka {
namespace {

TEST(WireFormat, IsTheOneOfConfluent) {
    std::string value;
    append_wire_header(0x01020384, value);
    EXPECT_EQ(value, std::string_view("\0\x01\x02\x03\x84", 5));
    value += "record";
    const auto parsed = parse_wire_value(value);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->schema_id, 0x01020384);
    EXPECT_EQ(parsed->record, "record");
}

TEST(WireFormat, OtherBytesAreNone) {
    EXPECT_FALSE(parse_wire_value(""));
    EXPECT_FALSE(parse_wire_value(std::string_view("\0\0\0\0", 4)));
    EXPECT_FALSE(parse_wire_value("{\"json\":1}"));
    EXPECT_TRUE(parse_wire_value(std::string_view("\0\0\0\0\0", 5)));  // no record, but a value
}

TEST(Registry, AUrlThatCannotWorkIsRefusedAtOnce) {
    for (const char* url : {"", "registry:8081", "https://", "http://", "ftp://x"}) {
        const auto opened = Registry::open(url, "");
        ASSERT_FALSE(opened) << url;
        EXPECT_EQ(opened.error().code, "registry_url") << url;
    }
    EXPECT_TRUE(Registry::open("http://user:secret@127.0.0.1:8081/apis/ccompat/v7/", ""));
}

}  // namespace
}  // namespace rh::kafka
