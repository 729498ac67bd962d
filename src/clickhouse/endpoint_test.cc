#include "clickhouse/endpoint.h"

#include <gtest/gtest.h>

namespace rh::clickhouse {
namespace {

TEST(EndpointTest, EveryPartIsRead) {
    const auto full = parse_endpoint("http://round:p%40ss%3A%2F@ch-01.internal:8124/");
    ASSERT_TRUE(full) << full.error().message;
    EXPECT_EQ(full->user, "round");
    EXPECT_EQ(full->password, "p@ss:/");
    EXPECT_EQ(address_of(*full), "ch-01.internal:8124");

    const auto bare = parse_endpoint("http://ch-01");
    ASSERT_TRUE(bare);
    EXPECT_EQ(address_of(*bare), "ch-01:8123");
    EXPECT_EQ(bare->user, "");

    EXPECT_FALSE(bare->https);

    const auto https = parse_endpoint("https://u:p@ch-01");
    ASSERT_TRUE(https);
    EXPECT_TRUE(https->https);
    EXPECT_EQ(address_of(*https), "ch-01:8443");

    const auto v6 = parse_endpoint("http://u:p@[::1]:9");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->host, "::1");
    EXPECT_EQ(address_of(*v6), "[::1]:9");
}

TEST(EndpointTest, WhatIsNoUrlIsRefusedWithoutRepeatingIt) {
    for (const char* text :
         {"", "secret", "httpss://u:secret@h:1", "u:secret@h:1", "http://", "https://",
          "http://u:secret@", "http://u:secret@h:x", "http://u:secret@h:0",
          "http://u:secret@h:65536", "http://u:secret@h:1/path", "http://u:%zzsecret@h:1",
          "http://u:secret%4@h:1", "http://u:secret@[::1", "http://u:secret@[::1]x",
          "http://u:secret@h:1?x"}) {
        const auto parsed = parse_endpoint(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, "bad_clickhouse_url");
        EXPECT_FALSE(parsed.error().message.contains("secret")) << parsed.error().message;
    }
}

TEST(EndpointTest, ShardsKeepTheirOrderAndAreNamedWithoutTheirPasswords) {
    const auto shards = parse_shards("http://u:secret@b:2, http://u:secret@a:1");
    ASSERT_TRUE(shards) << shards.error().message;
    ASSERT_EQ(shards->size(), 2U);
    EXPECT_EQ((*shards)[0].shard, "shard 1 (b:2)");
    EXPECT_EQ((*shards)[1].shard, "shard 2 (a:1)");
}

// It would be asked twice, and everything counted twice.
TEST(EndpointTest, AnAddressMayNotStandTwice) {
    EXPECT_FALSE(parse_shards("http://a:1,http://u:p@a:1"));
    EXPECT_FALSE(parse_shards("http://a:1,"));
}

}  // namespace
}  // namespace rh::clickhouse
