// A few hundred rows by column in memory that never moves, so that the row loop writes without
// asking for room. A row is written at `rows` first and counts only once accepted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "csv/fields.h"
#include "model/row_batch.h"

namespace rh::csv {

inline constexpr size_t kUserIdCharactersMax = 128;
inline constexpr size_t kNameCharactersMax = 256;
inline constexpr size_t kUtf8BytesMax = 4;  // of one character

inline constexpr size_t kStagingRows = 128;

// `Bytes` is the most one text may have.
template <size_t Bytes>
struct StagedTexts {
    std::array<uint32_t, kStagingRows> end;
    uint32_t used = 0;
    std::array<char, kStagingRows * Bytes + kFieldSlack> chars;
};

struct Staging {
    size_t rows = 0;
    std::array<uint64_t, kStagingRows> row_number;
    std::array<int64_t, kStagingRows> created_ms;
    std::array<int64_t, kStagingRows> game_instance_id;
    std::array<int64_t, kStagingRows> game_id;
    std::array<std::array<int64_t, kStagingRows>, 4> amount;
    StagedTexts<kUserIdCharactersMax * kUtf8BytesMax> user_id;
    StagedTexts<kNameCharactersMax * kUtf8BytesMax> game_name;
    StagedTexts<kNameCharactersMax * kUtf8BytesMax> provider;

    bool full() const { return rows == kStagingRows; }
    // Appends its rows to `batch` and is empty again.
    void move_to(model::RowBatch& batch);
};

}  // namespace rh::csv
