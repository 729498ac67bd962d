#include "csv/staging.h"

namespace rh::csv {
namespace {

template <class T>
void append(std::vector<T>& to, const std::array<T, kStagingRows>& from, size_t rows) {
    if (to.capacity() == 0) {
        to.reserve(model::kCellRows);
    }
    to.insert(to.end(), from.data(), from.data() + rows);
}

template <size_t Bytes>
void append(model::StringColumn& to, StagedTexts<Bytes>& from, size_t rows) {
    const auto base = static_cast<uint32_t>(to.chars.size());
    to.chars.insert(to.chars.end(), from.chars.data(), from.chars.data() + from.used);
    for (size_t r = 0; r < rows; ++r) {
        from.end[r] += base;
    }
    append(to.ends, from.end, rows);
    from.used = 0;
}

}  // namespace

void Staging::move_to(model::RowBatch& batch) {
    append(batch.row_number, row_number, rows);
    append(batch.created_ms, created_ms, rows);
    append(batch.game_instance_id, game_instance_id, rows);
    append(batch.game_id, game_id, rows);
    for (size_t a = 0; a < amount.size(); ++a) {
        append(batch.amount[a], amount[a], rows);
    }
    append(batch.user_id, user_id, rows);
    append(batch.game_name, game_name, rows);
    append(batch.provider, provider, rows);
    rows = 0;
}

}  // namespace rh::csv
