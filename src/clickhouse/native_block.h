// Rows of `game_rounds` as one block of ClickHouse's Native format (docs/formats/native.md):
// columnar, so the server takes it without parsing. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::clickhouse {

// Collects rows of whole cells and lays them out as ONE Native block.
class NativeBlock {
  public:
    NativeBlock(const model::UploadId& upload_id, uint32_t part)
        : upload_id_(upload_id), part_(part) {}
    void append(const model::RowBatch& batch);
    // Appends only rows whose `keep` flag is true (repeated row numbers are dropped by the sink).
    size_t rows() const { return rows_.size(); }
    // The block as pieces for Client::insert; valid until the next append or clear.
    std::vector<std::string_view> encode();
    void clear();

  private:
    model::UploadId upload_id_;
    uint32_t part_;
    model::RowBatch rows_;
    std::string encoded_;
};

// "INSERT INTO game_rounds (upload_id, row_number, part, …) FORMAT Native", the columns in the
// block's order.
std::string_view insert_game_rounds_sql();

}  // namespace rh::clickhouse
