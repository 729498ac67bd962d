#include <array>
#include <set>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "kafka/client.h"
#include "kafka/mock_broker.h"

namespace rh::kafka {
namespace {

constexpr int64_t kPatienceMs = 60'000;

// One record in each partition.
void send(const Cluster& cluster, std::string_view value) {
    auto producer = Producer::create(cluster, "").value();
    Delivery delivery(kPartitions);
    for (int32_t partition = 0; partition < kPartitions; ++partition) {
        const std::array record{Record{.key = "", .value = value, .partition = partition}};
        ASSERT_TRUE(producer->send(kTopic, record, delivery));
    }
    ASSERT_TRUE(producer->flush(delivery));
}

// A member of the group that begins at `begin` in each partition that it gets.
class GroupMember {
  public:
    GroupMember(const Cluster& cluster, const std::string& name, const int64_t& begin)
        : consumer_(Consumer::create(cluster, Consumer::Member{.group = "readers", .name = name})
                        .value()) {
        const auto assigned = [&begin](const std::vector<int32_t>& partitions) {
            std::vector<Position> positions;
            positions.reserve(partitions.size());
            for (const int32_t partition : partitions) {
                positions.push_back({.partition = partition, .offset = begin});
            }
            return Result<std::vector<Position>>(std::move(positions));
        };
        EXPECT_TRUE(
            consumer_->subscribe(kTopic, {.assigned = assigned, .revoked = [](const auto&) {}}));
    }
    Consumer& operator*() { return *consumer_; }
    // Adds the partitions in which `value` was read.
    void read(std::string_view value, std::set<int32_t>& seen) {
        const auto messages = consumer_->poll(100, 50);
        ASSERT_TRUE(messages) << messages.error().message;
        for (const Message& message : *messages) {
            if (message.value == value) {
                seen.insert(message.partition);
            }
        }
    }

  private:
    std::unique_ptr<Consumer> consumer_;
};

// A call for many messages returns with the first; with librdkafka's alone it would wait for all.
TEST(Consumer, WhatIsThereIsNotHeldBackForMore) {
    const MockBroker broker;
    send(broker.cluster(), "only");
    const auto consumer = Consumer::create(broker.cluster()).value();
    std::vector<Position> all;
    for (int32_t p = 0; p < static_cast<int32_t>(kPartitions); ++p) {
        all.push_back({.partition = p, .offset = 0});
    }
    ASSERT_TRUE(consumer->assign(kTopic, all));
    std::set<int32_t> seen;
    constexpr int kForeverMs = 3'600'000;
    while (seen.size() < kPartitions) {
        const auto messages = consumer->poll(100, kForeverMs);
        ASSERT_TRUE(messages) << messages.error().message;
        for (const Message& message : *messages) {
            seen.insert(message.partition);
        }
    }
}

TEST(Consumer, APauseEndsWithTheAssignment) {
    const MockBroker broker;
    send(broker.cluster(), "first");
    int64_t begin = 0;
    GroupMember one(broker.cluster(), "one", begin);
    std::set<int32_t> seen;
    const int64_t deadline = monotonic_ms() + kPatienceMs;
    while (seen.size() < kPartitions && monotonic_ms() < deadline) {
        one.read("first", seen);
    }
    ASSERT_EQ(seen.size(), kPartitions);
    ASSERT_TRUE((*one).pause(kTopic, {0, 1, 2, 3}));

    begin = 1;
    send(broker.cluster(), "second");
    GroupMember other(broker.cluster(), "other", begin);  // takes two of the partitions
    std::set<int32_t> read_on;
    const int64_t patience = monotonic_ms() + kPatienceMs;
    while (read_on.size() < kPartitions && monotonic_ms() < patience) {
        one.read("second", read_on);
        other.read("second", read_on);
    }
    EXPECT_EQ(read_on, (std::set<int32_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace rh::kafka
