#include "csv/row_block.h"

namespace rh::csv {
namespace {

constexpr size_t kUserIdBytesMax = kUserIdCharactersMax * kUtf8BytesMax;
constexpr size_t kNameBytesMax = kNameCharactersMax * kUtf8BytesMax;

TextBlock make_room(model::StringColumn& column, size_t rows, size_t text_bytes_max) {
    const size_t used = column.chars.size();
    column.chars.resize(used + kBlockRows * text_bytes_max + kFieldSlack);
    return {.chars = column.chars.data(),
            .end = column.ends.data() + rows,
            .used = static_cast<uint32_t>(used)};
}

}  // namespace

void RowBlock::open(model::RowBatch& batch) {
    const size_t before = batch.size();
    batch.resize(before + kBlockRows);
    rows = 0;
    rows_max = kBlockRows;
    row_number = batch.row_number.data() + before;
    created_ms = batch.created_ms.data() + before;
    game_instance_id = batch.game_instance_id.data() + before;
    game_id = batch.game_id.data() + before;
    for (size_t a = 0; a < amount.size(); ++a) {
        amount[a] = batch.amount[a].data() + before;
    }
    user_id = make_room(batch.user_id, before, kUserIdBytesMax);
    game_name = make_room(batch.game_name, before, kNameBytesMax);
    provider = make_room(batch.provider, before, kNameBytesMax);
}

void RowBlock::close(model::RowBatch& batch) {
    if (rows_max == 0) {
        return;
    }
    batch.truncate(batch.size() - rows_max + rows);
    *this = {};
}

}  // namespace rh::csv
