#include "sink/cells.h"

#include <numeric>

#include <gtest/gtest.h>

namespace rh::sink {
namespace {

model::RowBatch batch_of(std::initializer_list<uint64_t> row_numbers) {
    model::RowBatch batch;
    for (const uint64_t row_number : row_numbers) {
        batch.row_number.push_back(row_number);
        batch.created_ms.push_back(static_cast<int64_t>(row_number));
        batch.game_instance_id.push_back(1);
        batch.user_id.push_back("player" + std::to_string(row_number));
        batch.game_id.push_back(2);
        for (auto& amounts : batch.amount) {
            amounts.push_back(static_cast<int64_t>(row_number) * 10);
        }
        batch.game_name.push_back("game");
        batch.provider.push_back("provider");
    }
    return batch;
}

std::optional<model::RowBatch> add(CellAssembler& cells,
                                   std::initializer_list<uint64_t> row_numbers) {
    auto batch = batch_of(row_numbers);
    auto result = cells.add(batch);
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_TRUE(batch.empty());
    return std::move(*result);
}

TEST(CellAssembler, completes_a_cell_when_a_later_one_begins) {
    CellAssembler cells;
    EXPECT_FALSE(add(cells, {1, 2, 65536}));
    const auto first = add(cells, {65537});
    ASSERT_TRUE(first);
    EXPECT_EQ(first->row_number, (model::Values<uint64_t>{1, 2, 65536}));
    const auto second = cells.finish();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->row_number, model::Values<uint64_t>{65537});
    EXPECT_FALSE(cells.finish());
}

TEST(CellAssembler, joins_batches_of_one_cell_and_keeps_a_repeated_row_once) {
    CellAssembler cells;
    EXPECT_FALSE(add(cells, {1, 3}));
    EXPECT_FALSE(add(cells, {3, 2, 2, 5}));
    const auto cell = cells.finish();
    ASSERT_TRUE(cell);
    EXPECT_EQ(cell->row_number, (model::Values<uint64_t>{1, 3, 2, 5}));
    EXPECT_EQ(cell->user_id[2], "player2");
    EXPECT_EQ(cell->amount[3][3], 50);
}

TEST(CellAssembler, drops_a_row_repeated_within_the_first_batch) {
    CellAssembler cells;
    EXPECT_FALSE(add(cells, {7, 7, 8}));
    EXPECT_EQ(cells.finish()->row_number, (model::Values<uint64_t>{7, 8}));
}

TEST(CellAssembler, refuses_a_log_that_goes_back) {
    CellAssembler cells;
    EXPECT_FALSE(add(cells, {65537}));
    auto earlier = batch_of({1});
    const auto result = cells.add(earlier);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "log_out_of_order");
}

}  // namespace
}  // namespace rh::sink
