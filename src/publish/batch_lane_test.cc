#include "publish/batch_lane.h"

#include <new>
#include <string>

#include <gtest/gtest.h>

namespace rh::publish {
namespace {

model::RowBatch one_row(uint64_t row_number) {
    model::RowBatch batch;
    batch.row_number.push_back(row_number);
    return batch;
}

// What a thread lets out would end the whole program.
TEST(BatchLane, AnExceptionOfTheWorkIsAnError) {
    BatchLane lane([](const model::RowBatch&) -> Result<void> { throw std::bad_alloc(); });
    model::RowBatch batch = one_row(1);
    // The worker may not have come so far at the first push.
    if (const auto pushed = lane.push(batch); !pushed) {
        EXPECT_EQ(pushed.error().code, "internal_error");
    }
    const auto finished = lane.finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, "internal_error");
    EXPECT_EQ(finished.error().verdict, Verdict::retry);
}

TEST(BatchLane, WorksOffAllBatchesInOrder) {
    std::string seen;
    BatchLane lane([&](const model::RowBatch& batch) -> Result<void> {
        seen += std::to_string(batch.row_number.front()) + " ";
        return {};
    });
    for (uint64_t row = 1; row <= 9; ++row) {
        model::RowBatch batch = one_row(row);
        ASSERT_TRUE(lane.push(batch));
        EXPECT_TRUE(batch.empty());
    }
    ASSERT_TRUE(lane.finish());
    EXPECT_EQ(seen, "1 2 3 4 5 6 7 8 9 ");
}

}  // namespace
}  // namespace rh::publish
