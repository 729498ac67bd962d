#include "csv/row.h"

#include <cstring>

#include "csv/utf8.h"

namespace rh::csv {
namespace {

using model::Column;
using model::RejectCode;

constexpr size_t at(Column c) { return static_cast<size_t>(c); }

// Copies in steps of 32 bytes, reading and writing up to 31 beyond: both sides have slack.
inline void copy_loosely(char* to, const char* from, size_t n) {
    size_t i = 0;
    do {
        std::memcpy(to + i, from + i, 32);
        i += 32;
    } while (i < n);
}

// 0x80 in some byte if a byte of `word` is below 0x20 or is 0x7F; the bytes are ASCII.
inline uint64_t control_bytes(uint64_t word) {
    return ((word - repeat_byte(' ')) & ~word & kHighBits) | zero_bytes(word ^ repeat_byte('\x7f'));
}

inline bool has_ascii_control(const char* p, size_t n) {
    if (n < 8) {
        const uint64_t filler = repeat_byte('a') << (8 * n);
        return control_bytes((load8(p) & ~(~uint64_t{0} << (8 * n))) | filler) != 0;
    }
    uint64_t found = control_bytes(load8(p + n - 8));
    for (size_t i = 0; i + 8 <= n; i += 8) {
        found |= control_bytes(load8(p + i));
    }
    return found != 0;
}

inline void append(TextBlock& texts, std::string_view text, size_t row) {
    copy_loosely(texts.chars + texts.used, text.data(), text.size());
    texts.used += static_cast<uint32_t>(text.size());
    texts.end[row] = texts.used;
}

inline FaultMark judge_ascii_user(std::string_view text) {
    if (text.empty()) {
        return mark(RejectCode::missing_value);
    }
    if (text.size() > kUserIdCharactersMax) {
        return mark(RejectCode::text_too_long);
    }
    return has_ascii_control(text.data(), text.size()) ? mark(RejectCode::control_character)
                                                       : kFine;
}

// Ids are, as good as always, also where a name is not.
inline bool is_ascii(std::string_view text) {
    uint64_t bits = 0;
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        bits |= load8(text.data() + i);
    }
    // The slack behind the field: its bytes are masked out.
    return ((bits | (load8(text.data() + i) & ~(~uint64_t{0} << 8 * (text.size() - i)))) &
            kHighBits) == 0;
}

FaultMark judge_user(std::string_view text) {
    if (is_ascii(text)) {
        return judge_ascii_user(text);
    }
    if (utf8_characters(text) > kUserIdCharactersMax) {
        return mark(RejectCode::text_too_long);
    }
    return has_control_character(text) ? mark(RejectCode::control_character) : kFine;
}

inline FaultMark judge_ascii_name(std::string_view text) {
    return text.size() > kNameCharactersMax ? mark(RejectCode::text_too_long) : kFine;
}

FaultMark judge_name(std::string_view text) {
    return text.size() > kNameCharactersMax && utf8_characters(text) > kNameCharactersMax
               ? mark(RejectCode::text_too_long)
               : kFine;
}

// Adds the texts and counts the row, if nothing is wrong.
inline bool accept(const RowFields& fields, uint64_t row_number, RowBlock& block,
                   const RowMarks& marks) {
    unsigned wrong = 0;
    for (const FaultMark m : marks) {
        wrong |= m;
    }
    if (wrong != 0) {
        return false;
    }
    const size_t row = block.rows;
    append(block.user_id, fields[at(Column::user_id)], row);
    append(block.game_name, fields[at(Column::game_name)], row);
    append(block.provider, fields[at(Column::provider)], row);
    block.row_number[row] = row_number;
    block.rows = row + 1;
    return true;
}

}  // namespace

NumbersFunction numbers_function(Target target) {
    switch (target) {
        case Target::scalar:
            return judge_numbers_scalar;
        case Target::avx2:
            return judge_numbers_avx2;
        case Target::avx512:
            break;
    }
    return judge_numbers_avx512;
}

RowJudgement judge_ascii_row(const RowFields& fields, const RowRules& rules, uint64_t row_number,
                             RowBlock& block, RowMarks& marks) {
    RowJudgement judgement;
    judgement.empty_amounts = rules.numbers(fields, rules, block, marks);
    marks[at(Column::user_id)] = judge_ascii_user(fields[at(Column::user_id)]);
    marks[at(Column::game_name)] = judge_ascii_name(fields[at(Column::game_name)]);
    marks[at(Column::provider)] = judge_ascii_name(fields[at(Column::provider)]);
    judgement.accepted = accept(fields, row_number, block, marks);
    return judgement;
}

RowJudgement judge_row(const RowFields& fields, const RowRules& rules, const KnownFaults& known,
                       uint64_t row_number, RowBlock& block, RowMarks& marks) {
    RowJudgement judgement;
    judgement.empty_amounts = rules.numbers(fields, rules, block, marks);
    marks[at(Column::user_id)] = judge_user(fields[at(Column::user_id)]);
    marks[at(Column::game_name)] = judge_name(fields[at(Column::game_name)]);
    marks[at(Column::provider)] = judge_name(fields[at(Column::provider)]);
    for (size_t c = 0; c < kColumns; ++c) {
        if (known.marks[c] != kFine) {
            marks[c] = known.marks[c];
        } else if (!known.is_utf8 && !utf8_valid(fields[c])) {
            marks[c] = mark(RejectCode::invalid_encoding);
        }
    }
    judgement.accepted = !known.refused && accept(fields, row_number, block, marks);
    return judgement;
}

}  // namespace rh::csv
