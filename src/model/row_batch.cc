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

}  // namespace rh::model
