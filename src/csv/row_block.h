// The next rows of a batch, in memory that does not move while they are written, so that the row
// loop asks for no room. A row is written at `rows` first and counts only once accepted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "csv/fields.h"
#include "model/row_batch.h"

namespace rh::csv {

inline constexpr size_t kUserIdCharactersMax = 128;
inline constexpr size_t kNameCharactersMax = 256;
inline constexpr size_t kUtf8BytesMax = 4;  // of one character

inline constexpr size_t kBlockRows = 128;

struct TextBlock {
    char* chars = nullptr;    // of the whole column
    uint32_t* end = nullptr;  // of the block's first row
    uint32_t used = 0;        // of chars
};

struct RowBlock {
    size_t rows = 0;
    size_t rows_max = 0;  // 0: it is closed
    // Where the block's first row stands.
    uint64_t* row_number = nullptr;
    int64_t* created_ms = nullptr;
    int64_t* game_instance_id = nullptr;
    int64_t* game_id = nullptr;
    std::array<int64_t*, 4> amount{};
    TextBlock user_id;
    TextBlock game_name;
    TextBlock provider;

    // True also if it is closed.
    bool full() const { return rows == rows_max; }
    // Behind the rows of `batch`, which must be left alone until close().
    void open(model::RowBatch& batch);
    // The rows that count are the batch's. Nothing, if it is closed.
    void close(model::RowBatch& batch);
};

}  // namespace rh::csv
