// Rows of a batch ↔ Avro records of schemas/game_round.avsc (docs/formats/avro.md): the hot path
// of the log, hand-written for this one schema. Pure functions, any thread. Input of decode_rows is
// not trusted: whatever the bytes are, it stays inside them and answers with rows or an Error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::avro {

// The text of schemas/game_round.avsc.
std::string_view game_round_schema();

// An upper bound, in bytes, of what encode_rows appends for rows [begin, end) of the batch.
size_t encoded_bytes_max(const model::RowBatch& batch, size_t begin, size_t end);

// Appends the records of rows [begin, end). Amounts must be within kMoneyMicrosMax and row numbers
// within 1 … 2^63−1, as in every accepted row.
void encode_rows(const model::RowBatch& batch, size_t begin, size_t end, const model::UploadId& id,
                 std::string& out);

// The same for messages, one a row: each record with `prefix` before it. `ends` gets where each one
// ends in `out`.
void encode_messages(const model::RowBatch& batch, size_t begin, size_t end,
                     const model::UploadId& id, std::string_view prefix, std::string& out,
                     std::vector<size_t>& ends);

// One record; texts point into its bytes.
struct GameRound {
    int64_t created_ms = 0;
    int64_t game_instance_id = 0;
    std::string_view user_id;
    int64_t game_id = 0;
    std::array<int64_t, 4> amount{};  // micros, indexed by model::Amount
    std::string_view game_name;
    std::string_view provider;
    std::string_view upload_id;  // 36 characters
    uint64_t row_number = 0;
};
// nullopt if the bytes are not exactly one record.
std::optional<GameRound> read_record(std::string_view record);
// False, and nothing is appended, if the batch's text has no room for the round's.
bool append_row(const GameRound& round, model::RowBatch& batch);

// Appends exactly `rows` records to the batch; they must fill `bytes`, belong to `id` and have
// ascending row numbers in one cell, that of the rows already in the batch. Error internal
// avro_damaged otherwise; the batch then holds what it held before.
Result<void> decode_rows(std::string_view bytes, uint64_t rows, const model::UploadId& id,
                         model::RowBatch& batch);

}  // namespace rh::avro
