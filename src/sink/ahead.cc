#include "sink/ahead.h"

#include <utility>

#include "base/without_exceptions.h"

namespace rh::sink {

void Ahead::take(model::RowBatch& rows) {
    if (error_) {
        return;
    }
    if (auto inserted = without_exceptions([&] { return insert(rows); }); !inserted) {
        error_ = std::move(inserted).error();
    }
}

Result<void> Ahead::insert(model::RowBatch& rows) {
    RH_ASSIGN(auto complete, cells_.add(rows));
    return complete ? submit(std::move(*complete)) : Result<void>{};
}

Result<void> Ahead::submit(model::RowBatch cell) {
    const uint64_t next_cell = model::cell_of(cell.row_number.front()) + 1;
    const uint64_t rows = cell.size();
    RH_TRY(inserter_.submit(std::move(cell), kPatience));
    inserted_ = {.next_cell = next_cell, .rows = inserted_.rows + rows};
    return {};
}

Result<Ahead::Inserted> Ahead::finish() {
    if (error_) {
        return std::unexpected(*error_);
    }
    if (auto last = cells_.finish()) {
        RH_TRY(submit(std::move(*last)));
    }
    RH_TRY(inserter_.drain());
    return inserted_;
}

}  // namespace rh::sink
