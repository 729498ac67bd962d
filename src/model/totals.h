// Control totals: how many rows, and the exact sum of each amount. Every stage of the data's way
// can state them, and two stages that disagree have lost, doubled or changed a row.
#pragma once

#include <array>
#include <cstdint>

#include "model/money.h"
#include "model/row_batch.h"

namespace rh::model {

struct Totals {
    uint64_t rows = 0;
    std::array<MoneySum, 4> sums;  // indexed by Amount

    bool operator==(const Totals&) const = default;
    void add(const RowBatch& batch);
    void add(const Totals& other);
};

// Counts of records of a file: read == accepted + rejected; blank lines are none of them.
struct RowCounts {
    uint64_t read = 0;
    uint64_t accepted = 0;
    uint64_t rejected = 0;
    uint64_t blank = 0;
    bool operator==(const RowCounts&) const = default;
};

}  // namespace rh::model
