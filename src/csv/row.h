// The row rules (docs/formats/csv.md): ten fields → ten values in the block, or what is wrong
// with each. Plain functions on pointers; nothing is allocated.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "csv/fields.h"
#include "csv/header.h"
#include "csv/row_block.h"
#include "csv/target.h"

namespace rh::csv {

using RowFields = std::array<std::string_view, kColumns>;  // by column, without their quotes
using RowMarks = std::array<FaultMark, kColumns>;          // by column

struct RowRules;
// Judges timestamp, ids and amounts into row block.rows, with their marks; returns
// RowJudgement::empty_amounts.
using NumbersFunction = uint32_t (*)(const RowFields& fields, const RowRules& rules,
                                     RowBlock& block, RowMarks& marks);
// `target` must be one that the CPU has.
NumbersFunction numbers_function(Target target);
uint32_t judge_numbers_scalar(const RowFields& fields, const RowRules& rules, RowBlock& block,
                              RowMarks& marks);
uint32_t judge_numbers_avx2(const RowFields& fields, const RowRules& rules, RowBlock& block,
                            RowMarks& marks);
uint32_t judge_numbers_avx512(const RowFields& fields, const RowRules& rules, RowBlock& block,
                              RowMarks& marks);

struct RowRules {
    int64_t zone_ms = 0;
    AmountRules amounts;
    NumbersFunction numbers = judge_numbers_scalar;
};

struct RowJudgement {
    bool accepted = false;
    uint32_t empty_amounts = 0;  // bit a: amount a is not there
};

// Judges a row of ASCII; the values of an accepted one stand in `block` and count there.
// `marks` is written whole.
RowJudgement judge_ascii_row(const RowFields& fields, const RowRules& rules, uint64_t row_number,
                             RowBlock& block, RowMarks& marks);

// What is known before the fields are judged.
struct KnownFaults {
    RowMarks marks{};      // bad_quote: such a field is not judged
    bool refused = false;  // one of these, or a fault of an extra column
    bool is_utf8 = false;  // the whole record, so every field: delimiters and quotes are ASCII
};
// The same for any bytes.
RowJudgement judge_row(const RowFields& fields, const RowRules& rules, const KnownFaults& known,
                       uint64_t row_number, RowBlock& block, RowMarks& marks);

}  // namespace rh::csv
