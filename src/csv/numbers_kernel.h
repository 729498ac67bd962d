// Timestamp, ids and amounts of one row, shared by the targets. Everything here has internal
// linkage: a translation unit compiled for AVX2 must not lend its code to the rest of the program.
#pragma once

#include <cstddef>
#include <cstdint>

#include "csv/row.h"

namespace rh::csv {
namespace {  // NOLINT(google-build-namespaces): on purpose, see above

// Parsers: parse_integer and parse_amount as in csv/fields.h.
template <class Parsers>
inline uint32_t judge_numbers(const RowFields& fields, const RowRules& rules, RowBlock& block,
                              RowMarks& marks) {
    constexpr auto kAt = [](model::Column column) { return static_cast<size_t>(column); };
    const size_t row = block.rows;
    const auto& created = fields[kAt(model::Column::created_timestamp)];
    marks[kAt(model::Column::created_timestamp)] =
        parse_timestamp(created.data(), created.size(), rules.zone_ms, block.created_ms[row]);
    const auto& instance = fields[kAt(model::Column::game_instance_id)];
    marks[kAt(model::Column::game_instance_id)] =
        Parsers::integer(instance.data(), instance.size(), block.game_instance_id[row]);
    const auto& game = fields[kAt(model::Column::game_id)];
    marks[kAt(model::Column::game_id)] =
        Parsers::integer(game.data(), game.size(), block.game_id[row]);
    uint32_t empty = 0;
    for (size_t a = 0; a < 4; ++a) {
        const auto& text = fields[kAt(model::Column::real_amount_bet) + a];
        uint32_t none = 0;
        marks[kAt(model::Column::real_amount_bet) + a] =
            Parsers::amount(text.data(), text.size(), rules.amounts, block.amount[a][row], none);
        empty |= none << a;
    }
    return empty;
}

}  // namespace
}  // namespace rh::csv
