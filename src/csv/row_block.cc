#include "csv/row_block.h"

namespace rh::csv {
namespace {

constexpr size_t kUserIdBytesMax = kUserIdCharactersMax * kUtf8BytesMax;
constexpr size_t kNameBytesMax = kNameCharactersMax * kUtf8BytesMax;

// Room for a block behind `rows` values; where it begins.
template <class T>
T* make_room(model::Values<T>& column, size_t rows) {
    if (column.capacity() == 0) {
        column.reserve(model::kCellRows);
    }
    column.resize(rows + kBlockRows);
    return column.data() + rows;
}

TextBlock make_room(model::StringColumn& column, size_t rows, size_t text_bytes_max) {
    TextBlock block{.used = static_cast<uint32_t>(column.chars.size())};
    column.chars.resize(column.chars.size() + kBlockRows * text_bytes_max + kFieldSlack);
    block.chars = column.chars.data();
    block.end = make_room(column.ends, rows);
    return block;
}

void keep(model::StringColumn& column, const TextBlock& block, size_t rows) {
    column.chars.resize(block.used);
    column.ends.resize(rows);
}

}  // namespace

void RowBlock::open(model::RowBatch& batch) {
    const size_t before = batch.size();
    rows = 0;
    rows_max = kBlockRows;
    row_number = make_room(batch.row_number, before);
    created_ms = make_room(batch.created_ms, before);
    game_instance_id = make_room(batch.game_instance_id, before);
    game_id = make_room(batch.game_id, before);
    for (size_t a = 0; a < amount.size(); ++a) {
        amount[a] = make_room(batch.amount[a], before);
    }
    user_id = make_room(batch.user_id, before, kUserIdBytesMax);
    game_name = make_room(batch.game_name, before, kNameBytesMax);
    provider = make_room(batch.provider, before, kNameBytesMax);
}

void RowBlock::close(model::RowBatch& batch) {
    if (rows_max == 0) {
        return;
    }
    const size_t all = batch.size() - rows_max + rows;
    batch.row_number.resize(all);
    batch.created_ms.resize(all);
    batch.game_instance_id.resize(all);
    batch.game_id.resize(all);
    for (auto& column : batch.amount) {
        column.resize(all);
    }
    keep(batch.user_id, user_id, all);
    keep(batch.game_name, game_name, all);
    keep(batch.provider, provider, all);
    *this = {};
}

}  // namespace rh::csv
