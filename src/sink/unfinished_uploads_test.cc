#include "sink/unfinished_uploads.h"

#include <gtest/gtest.h>

#include "kafka_log/kafka_log.h"

namespace rh::sink {
namespace {

using kafka_log::kTakeOverMs;

kafka_log::Published published_by(const char* node, int64_t written_ms) {
    kafka_log::Published published;
    published.publisher = node;
    published.written_ms = written_ms;
    return published;
}

TEST(UnfinishedUploads, AnUploadIsLeftWhenNoRecordOfItHasComeForLong) {
    UnfinishedUploads unfinished;
    const auto first = published_by("a", 5);
    EXPECT_FALSE(unfinished.is_left(first, 1'000));
    EXPECT_FALSE(unfinished.is_left(first, 1'000 + kTakeOverMs));
    EXPECT_TRUE(unfinished.is_left(first, 1'001 + kTakeOverMs));
    EXPECT_TRUE(unfinished.is_left(first, 1'002 + kTakeOverMs));
}

TEST(UnfinishedUploads, EachRecordBeginsTheTimeAnew) {
    UnfinishedUploads unfinished;
    int64_t now = 1'000;
    EXPECT_FALSE(unfinished.is_left(published_by("a", 5), now));
    now += kTakeOverMs + 1;
    EXPECT_FALSE(unfinished.is_left(published_by("a", 6), now));
    now += kTakeOverMs + 1;
    EXPECT_FALSE(unfinished.is_left(published_by("b", 6), now));  // by a clock that is behind
    now += kTakeOverMs + 1;
    EXPECT_TRUE(unfinished.is_left(published_by("b", 6), now));
    EXPECT_FALSE(unfinished.is_left(published_by("b", 7), now));  // it goes on after all
    unfinished.clear();
    EXPECT_FALSE(unfinished.is_left(published_by("b", 7), now + kTakeOverMs + 1));
}

}  // namespace
}  // namespace rh::sink
