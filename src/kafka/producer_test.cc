#include <array>

#include <gtest/gtest.h>

#include "kafka/client.h"
#include "kafka/mock_broker.h"

namespace rh::kafka {
namespace {

constexpr std::array kRecords = {Record{.key = "a", .value = "1", .partition = 0},
                                 Record{.key = "b", .value = "2", .partition = 1}};

// Whoever sent them may be gone once the call has failed.
TEST(Producer, NothingIsReportedAfterACallThatFailed) {
    const MockBroker broker;
    auto producer = Producer::create(broker.cluster(), "").value();
    {
        Delivery delivered(kPartitions);
        ASSERT_TRUE(producer->send(kTopic, kRecords, delivered));
        ASSERT_TRUE(producer->flush(delivered));
    }
    broker.down();
    producer->set_on_wait(
        [] { return fail(ErrorKind::conflict, "cancelled", "It was cancelled."); });
    Delivery delivery(kPartitions);
    ASSERT_TRUE(producer->send(kTopic, kRecords, delivery));
    EXPECT_FALSE(delivery.error);
    const auto flushed = producer->flush(delivery);
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, "cancelled");
    EXPECT_TRUE(delivery.error) << "its records were not dropped";
}

// Its records are dropped before anybody asks, and that is what their reports say.
TEST(Producer, OneThatIsFencedSaysSo) {
    const MockBroker broker;
    auto producer = Producer::create(broker.cluster(), "an upload").value();
    ASSERT_TRUE(producer->init_transactions());
    ASSERT_TRUE(producer->begin_transaction());
    broker.refuse_record(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    Delivery delivery(kPartitions);
    ASSERT_TRUE(producer->send(kTopic, kRecords, delivery));
    const auto flushed = producer->flush(delivery);
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, "kafka_fenced") << flushed.error().message;
}

}  // namespace
}  // namespace rh::kafka
