// Rows of `game_rounds` as one block of ClickHouse's Native format (docs/formats/native.md):
// columnar, so the server takes it without parsing. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "clickhouse/client.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::clickhouse {

// Collects rows of whole cells and lays them out as ONE Native block.
class NativeBlock {
  public:
    NativeBlock(const model::UploadId& upload_id, uint32_t part);
    void append(const model::RowBatch& batch);
    size_t rows() const { return rows_; }
    // The block as pieces for Client::insert; valid until the next append, encode or clear.
    std::vector<std::string_view> encode();
    void clear();  // keeps the memory and the upload

  private:
    static constexpr size_t kColumns = 13;

    model::UploadId upload_id_;
    uint32_t part_;
    size_t rows_ = 0;
    std::array<std::string, kColumns> data_;  // by column, as Native has it
    std::string header_;
};

// "INSERT INTO game_rounds (upload_id, row_number, part, …) FORMAT Native", the columns in the
// block's order.
std::string_view insert_game_rounds_sql();

// The settings under which all Native blocks of one INSERT reach the table and its views as one
// block, whatever their size, and may touch any number of partitions.
// Only for blocks in which no row number stands twice.
const Settings& insert_settings();

}  // namespace rh::clickhouse
