#include "model/row_batch.h"

namespace rh::model {

void RowBatch::clear() {
    row_number.clear();
    created_ms.clear();
    game_instance_id.clear();
    user_id.clear();
    game_id.clear();
    for (auto& column : amount) {
        column.clear();
    }
    game_name.clear();
    provider.clear();
}

void RowBatch::resize(size_t rows) {
    row_number.resize(rows);
    created_ms.resize(rows);
    game_instance_id.resize(rows);
    game_id.resize(rows);
    for (auto& column : amount) {
        column.resize(rows);
    }
    for (auto* text : {&user_id, &game_name, &provider}) {
        text->ends.resize(rows);
    }
}

void RowBatch::truncate(size_t rows) {
    resize(rows);
    for (auto* text : {&user_id, &game_name, &provider}) {
        text->chars.resize(rows == 0 ? 0 : text->ends[rows - 1]);
    }
}

}  // namespace rh::model
