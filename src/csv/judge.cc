#include "csv/judge.h"

#include <utility>

#include "base/trim.h"
#include "csv/utf8.h"

namespace rh::csv {

using model::RejectCode;

namespace {

// Faults of ignored columns that a reject names: enough to find what is wrong with the file.
constexpr size_t kExtraFaultsMax = 10;

inline void count(const RowJudgement& judgement, Judged& judged) {
    ++judged.accepted;
    for (size_t a = 0; a < judged.empty_amounts.size(); ++a) {
        judged.empty_amounts[a] += judgement.empty_amounts >> a & 1;
    }
}

}  // namespace

void Judged::clear() {
    records = accepted = blank_lines = 0;
    empty_amounts = {};
    rows.clear();
    rejects.clear();
}

Judge::Judge(const RowRules& rules, Header header) : rules_(rules), header_(std::move(header)) {}

bool Judge::judge(Walker& walker, uint64_t records_max, size_t rejects_max, Judged& judged) {
    Record record;
    while (walker.next(record)) {
        if (block_.full()) [[unlikely]] {
            block_.close(judged.rows);
            block_.open(judged.rows);
        }
        judge_one(record, judged);
        if (judged.records == records_max || judged.rejects.rejects().size() == rejects_max)
            [[unlikely]] {
            return true;
        }
    }
    return false;
}

inline void Judge::judge_one(const Record& record, Judged& judged) {
    if (record.fields != header_.column.size() || record.flags != 0 || record.too_long ||
        record.unclosed) [[unlikely]] {
        return judge_carefully(record, judged);
    }
    ++judged.records;
    RowFields fields;
    for (size_t c = 0; c < kColumns; ++c) {
        fields[c] = record.field(header_.field[c]);
    }
    RowMarks marks;
    const RowJudgement judgement = judge_ascii_row(fields, rules_, judged.records, block_, marks);
    if (judgement.accepted) [[likely]] {
        count(judgement, judged);
    } else {
        refuse(record, fields, marks, judged);
    }
}

void Judge::judge_carefully(const Record& record, Judged& judged) {
    if (is_blank(record)) {
        ++judged.blank_lines;
        return;
    }
    ++judged.records;
    if (record.too_long || record.unclosed) {
        refuse_structure(record, judged);
        return;
    }
    if (record.fields != header_.column.size()) {
        refuse_count(record, judged);
        return;
    }
    RowFields fields;
    KnownFaults known;
    gather(record, fields, known);
    const bool plain = !known.refused && (record.flags & kHasNonAscii) == 0;
    RowMarks marks;
    const RowJudgement judgement =
        plain ? judge_ascii_row(fields, rules_, judged.records, block_, marks)
              : judge_row(fields, rules_, known, judged.records, block_, marks);
    if (judgement.accepted) {
        count(judgement, judged);
    } else {
        refuse(record, fields, marks, judged);
    }
}

bool is_blank(const Record& record) {
    return record.fields == 1 && !record.too_long && !record.unclosed &&
           trim_blanks(record.text).empty();
}

// A record whose fields cannot be told.
void Judge::refuse_structure(const Record& record, Judged& judged) const {
    judged.rejects.begin(record.line, record.line_last, judged.records);
    const RejectCode code =
        record.unclosed ? RejectCode::unclosed_quote : RejectCode::line_too_long;
    if (record.too_long) {
        judged.rejects.add_fault(code, -1, record.text);
    } else {
        const uint32_t last = record.fields - 1;
        const int column = last < header_.column.size() ? header_.column[last] : -1;
        judged.rejects.add_fault(code, column, record.field(last));
    }
    judged.rejects.end();
}

// Fields cannot be told to belong to columns: faults are of the row.
void Judge::refuse_count(const Record& record, Judged& judged) {
    judged.rejects.begin(record.line, record.line_last, judged.records);
    judged.rejects.add_field_count(record.fields, header_.column.size(), record.text);
    scratch_.begin(record.text.size());
    if ((record.flags & kHasQuote) != 0) {
        for (uint32_t f = 0; f < record.fields; ++f) {
            std::string_view field = record.field(f);
            if (!unquote(field, scratch_)) {
                judged.rejects.add_fault(RejectCode::bad_quote, -1, field);
                break;
            }
        }
    }
    if (!utf8_valid(record.text)) {
        judged.rejects.add_fault(RejectCode::invalid_encoding, -1, record.text);
    }
    judged.rejects.end();
}

// Fields by column without their quotes; `known` and extra_faults_ get what is wrong already.
void Judge::gather(const Record& record, RowFields& fields, KnownFaults& known) {
    extra_faults_.clear();
    scratch_.begin(record.text.size());
    known.is_utf8 = (record.flags & kHasNonAscii) == 0 || utf8_valid(record.text);
    const bool stray = (record.flags & kMayHaveStrayQuote) != 0;
    for (uint32_t f = 0; f < record.fields; ++f) {
        std::string_view field = record.field(f);
        bool quotes_fine = true;
        if (*field.data() == '"') {  // where an empty field begins stands what ends it
            // Only this copy has its address taken: the other one stays in registers.
            std::string_view quoted = field;
            quotes_fine = unquote(quoted, scratch_);
            field = quoted;
        } else if (stray) {
            quotes_fine = !has_quote(field);
        }
        const int8_t column = header_.column[f];
        if (column >= 0) {
            fields[static_cast<size_t>(column)] = field;
            if (!quotes_fine) {
                known.marks[static_cast<size_t>(column)] = mark(RejectCode::bad_quote);
                known.refused = true;
            }
        } else if (extra_faults_.size() == kExtraFaultsMax) {
            continue;
        } else if (!quotes_fine) {
            extra_faults_.emplace_back(RejectCode::bad_quote, field);
        } else if (!known.is_utf8 && !utf8_valid(field)) {
            extra_faults_.emplace_back(RejectCode::invalid_encoding, field);
        }
    }
    known.refused |= !extra_faults_.empty();
}

void Judge::refuse(const Record& record, const RowFields& fields, const RowMarks& marks,
                   Judged& judged) {
    judged.rejects.begin(record.line, record.line_last, judged.records);
    for (const auto& [code, value] : extra_faults_) {
        judged.rejects.add_fault(code, -1, value);
    }
    extra_faults_.clear();
    for (size_t c = 0; c < kColumns; ++c) {
        if (marks[c] != kFine) {
            judged.rejects.add_fault(code_of(marks[c]), static_cast<int>(c), fields[c]);
        }
    }
    judged.rejects.end();
}

}  // namespace rh::csv
