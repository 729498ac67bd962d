#include "sink/cells.h"

#include <algorithm>
#include <bitset>
#include <functional>
#include <memory>
#include <utility>

#include <fmt/format.h>

namespace rh::sink {
namespace {

using Seen = std::bitset<model::kCellRows>;

size_t bit_of(uint64_t row_number) { return (row_number - 1) % model::kCellRows; }

bool strictly_ascending(const model::RowBatch& rows) {
    return std::ranges::adjacent_find(rows.row_number, std::greater_equal<>()) ==
           rows.row_number.end();
}

void append_row(model::RowBatch& to, const model::RowBatch& from, size_t i) {
    to.row_number.push_back(from.row_number[i]);
    to.created_ms.push_back(from.created_ms[i]);
    to.game_instance_id.push_back(from.game_instance_id[i]);
    to.user_id.push_back(from.user_id[i]);
    to.game_id.push_back(from.game_id[i]);
    for (size_t a = 0; a < to.amount.size(); ++a) {
        to.amount[a].push_back(from.amount[a][i]);
    }
    to.game_name.push_back(from.game_name[i]);
    to.provider.push_back(from.provider[i]);
}

}  // namespace

void CellAssembler::append_unseen(const model::RowBatch& rows) {
    const auto seen = std::make_unique<Seen>();
    for (const uint64_t row_number : open_.row_number) {
        seen->set(bit_of(row_number));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
        if (const size_t bit = bit_of(rows.row_number[i]); !seen->test(bit)) {
            seen->set(bit);
            append_row(open_, rows, i);
        }
    }
}

Result<std::optional<model::RowBatch>> CellAssembler::add(model::RowBatch& rows) {
    std::optional<model::RowBatch> complete;
    if (rows.empty()) {
        return complete;
    }
    const uint64_t cell = model::cell_of(rows.row_number.front());
    if (!open_.empty()) {
        const uint64_t open_cell = model::cell_of(open_.row_number.front());
        if (cell < open_cell) {
            return fail(
                ErrorKind::internal, "log_out_of_order",
                fmt::format("The log gives cell {} after cell {}; it must be written again.", cell,
                            open_cell));
        }
        if (cell > open_cell) {
            complete = finish();
        }
    }
    if (open_.empty() && strictly_ascending(rows)) {
        std::swap(open_, rows);  // the usual case: a batch is a cell, and nothing is copied
    } else {
        append_unseen(rows);
    }
    rows.clear();
    return complete;
}

std::optional<model::RowBatch> CellAssembler::finish() {
    if (open_.empty()) {
        return std::nullopt;
    }
    return std::exchange(open_, model::RowBatch{});
}

}  // namespace rh::sink
