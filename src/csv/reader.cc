#include "csv/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/trim.h"
#include "csv/header.h"
#include "csv/quoting.h"
#include "csv/rejects.h"
#include "csv/row.h"
#include "csv/splitter.h"
#include "csv/staging.h"
#include "csv/utf8.h"

namespace rh::csv {

using model::RejectCode;

struct Reader::State {
    State(const Options& options, Consumer& to, Target target)
        : consumer(to),
          splitter(options.delimiter, target),
          staging(std::make_unique_for_overwrite<Staging>()) {
        rules.zone_ms = int64_t{options.timezone_offset_minutes} * 60'000;
        rules.numbers = numbers_function(target);
        rules.amounts = {options.empty_amount_is_reject, options.allow_negative};
        staging->rows = 0;
        staging->user_id.used = staging->game_name.used = staging->provider.used = 0;
    }

    Consumer& consumer;
    Splitter splitter;
    RowRules rules;
    Header header;
    bool has_header = false;
    uint64_t row_number = 0;
    uint64_t blank_lines = 0;  // lines of blanks; the splitter counts lines without a byte
    std::unique_ptr<Staging> staging;
    model::RowBatch batch;
    RejectPool rejects;
    Scratch scratch;
    // Faults of extra columns of the record at hand.
    std::vector<std::pair<RejectCode, std::string_view>> extra_faults;
    std::optional<Error> error;
    mutable Report report;

    Result<void> drain();
    void read_names(const Record& record);
    void judge(const Record& record);
    void judge_carefully(const Record& record);
    bool is_blank(const Record& record) const;
    void refuse_structure(const Record& record);
    void refuse_count(const Record& record);
    void gather(const Record& record, RowFields& fields, KnownFaults& known);
    void count(const RowJudgement& judgement);
    void refuse(const Record& record, const RowFields& fields, const RowMarks& marks);
    void end_reject();
    void end_of_row();
    void hand_over_rows();
    void hand_over_rejects();
    void keep(Result<void> result) {
        if (!result && !error) {
            error = std::move(result).error();
        }
    }
};

Result<void> Reader::State::drain() {
    Record record;
    while (!error && splitter.next(record)) {
        if (has_header) [[likely]] {
            judge(record);
        } else {
            read_names(record);
        }
    }
    if (error) {
        return std::unexpected(*error);
    }
    return {};
}

void Reader::State::read_names(const Record& record) {
    const auto unreadable = [this](std::string_view why) {
        keep(fail(ErrorKind::invalid_content, "header_unreadable",
                  fmt::format("The header cannot be read: {}.", why)));
    };
    if (is_blank(record)) {
        ++blank_lines;
        return;
    }
    if (record.unclosed) {
        return unreadable("a quote is opened in it and never closed");
    }
    if (record.too_long) {
        return unreadable(fmt::format("its line has more than {} bytes; check the file's line ends",
                                      kRecordBytesMax));
    }
    if (record.text.find('\0') != std::string_view::npos) {
        return unreadable("it has zero bytes, so this is a binary file or its encoding is another");
    }
    if (!utf8_valid(record.text)) {
        return unreadable("it has bytes that are not valid in the file's encoding");
    }
    scratch.begin(record.text.size());
    std::vector<std::string_view> fields;
    for (uint32_t f = 0; f < record.fields; ++f) {
        fields.push_back(record.field(f));
        if (!unquote(fields.back(), scratch)) {
            return unreadable("a quote stands inside a name or text follows a closing quote");
        }
    }
    Result<Header> read = read_header(fields);
    if (!read) {
        error = std::move(read).error();
        return;
    }
    header = std::move(*read);
    has_header = true;
    report.header = header.names;
    report.ignored_columns = header.extra;
}

inline void Reader::State::judge(const Record& record) {
    if (record.fields != header.column.size() || record.flags != 0 || record.too_long ||
        record.unclosed) [[unlikely]] {
        return judge_carefully(record);
    }
    ++row_number;
    RowFields fields;
    for (size_t c = 0; c < kColumns; ++c) {
        fields[c] = record.field(header.field[c]);
    }
    RowMarks marks;
    const RowJudgement judgement = judge_ascii_row(fields, rules, row_number, *staging, marks);
    if (judgement.accepted) [[likely]] {
        count(judgement);
    } else {
        refuse(record, fields, marks);
    }
    end_of_row();
}

void Reader::State::judge_carefully(const Record& record) {
    if (is_blank(record)) {
        ++blank_lines;
        return;
    }
    ++row_number;
    if (record.too_long || record.unclosed) {
        refuse_structure(record);
        return end_of_row();
    }
    if (record.fields != header.column.size()) {
        refuse_count(record);
        return end_of_row();
    }
    RowFields fields;
    KnownFaults known;
    gather(record, fields, known);
    const bool plain = !known.refused && (record.flags & kHasNonAscii) == 0;
    RowMarks marks;
    const RowJudgement judgement =
        plain ? judge_ascii_row(fields, rules, row_number, *staging, marks)
              : judge_row(fields, rules, known, row_number, *staging, marks);
    if (judgement.accepted) {
        count(judgement);
    } else {
        refuse(record, fields, marks);
    }
    end_of_row();
}

bool Reader::State::is_blank(const Record& record) const {
    return record.fields == 1 && !record.too_long && !record.unclosed &&
           trim_blanks(record.text).empty();
}

// A record whose fields cannot be told.
void Reader::State::refuse_structure(const Record& record) {
    rejects.begin(record.line, record.line_last, row_number);
    const RejectCode code =
        record.unclosed ? RejectCode::unclosed_quote : RejectCode::line_too_long;
    if (record.too_long) {
        rejects.add_fault(code, -1, record.text);
    } else {
        const uint32_t last = record.fields - 1;
        const int column = last < header.column.size() ? header.column[last] : -1;
        rejects.add_fault(code, column, record.field(last));
    }
    end_reject();
}

// Fields cannot be told to belong to columns: faults are of the row.
void Reader::State::refuse_count(const Record& record) {
    rejects.begin(record.line, record.line_last, row_number);
    rejects.add_field_count(record.fields, header.column.size(), record.text);
    scratch.begin(record.text.size());
    if ((record.flags & kHasQuote) != 0) {
        for (uint32_t f = 0; f < record.fields; ++f) {
            std::string_view field = record.field(f);
            if (!unquote(field, scratch)) {
                rejects.add_fault(RejectCode::bad_quote, -1, field);
                break;
            }
        }
    }
    if (!utf8_valid(record.text)) {
        rejects.add_fault(RejectCode::invalid_encoding, -1, record.text);
    }
    end_reject();
}

// Fields by column without their quotes; `known` and extra_faults get what is wrong already.
void Reader::State::gather(const Record& record, RowFields& fields, KnownFaults& known) {
    extra_faults.clear();
    scratch.begin(record.text.size());
    known.is_utf8 = (record.flags & kHasNonAscii) == 0 || utf8_valid(record.text);
    const bool stray = (record.flags & kMayHaveStrayQuote) != 0;
    for (uint32_t f = 0; f < record.fields; ++f) {
        std::string_view field = record.field(f);
        bool quotes_fine = true;
        if (*field.data() == '"') {  // where an empty field begins stands what ends it
            // Only this copy has its address taken: the other one stays in registers.
            std::string_view quoted = field;
            quotes_fine = unquote(quoted, scratch);
            field = quoted;
        } else if (stray) {
            quotes_fine = !has_quote(field);
        }
        const int8_t column = header.column[f];
        if (column >= 0) {
            fields[static_cast<size_t>(column)] = field;
            if (!quotes_fine) {
                known.marks[static_cast<size_t>(column)] = mark(RejectCode::bad_quote);
                known.refused = true;
            }
        } else if (!quotes_fine) {
            extra_faults.emplace_back(RejectCode::bad_quote, field);
        } else if (!known.is_utf8 && !utf8_valid(field)) {
            extra_faults.emplace_back(RejectCode::invalid_encoding, field);
        }
    }
    known.refused |= !extra_faults.empty();
}

inline void Reader::State::count(const RowJudgement& judgement) {
    ++report.rows.accepted;
    for (size_t a = 0; a < report.empty_amounts.size(); ++a) {
        report.empty_amounts[a] += judgement.empty_amounts >> a & 1;
    }
}

void Reader::State::refuse(const Record& record, const RowFields& fields, const RowMarks& marks) {
    rejects.begin(record.line, record.line_last, row_number);
    for (const auto& [code, value] : extra_faults) {
        rejects.add_fault(code, -1, value);
    }
    extra_faults.clear();
    for (size_t c = 0; c < kColumns; ++c) {
        if (marks[c] != kFine) {
            rejects.add_fault(code_of(marks[c]), static_cast<int>(c), fields[c]);
        }
    }
    end_reject();
}

void Reader::State::end_reject() {
    rejects.end();
    ++report.rows.rejected;
    if (rejects.full()) {
        hand_over_rejects();
    }
}

inline void Reader::State::end_of_row() {
    if (staging->full()) [[unlikely]] {
        staging->move_to(batch);
    }
    if (row_number % model::kCellRows == 0) [[unlikely]] {
        hand_over_rows();
    }
}

void Reader::State::hand_over_rows() {
    staging->move_to(batch);
    if (batch.empty()) {
        return;
    }
    report.totals.add(batch);
    const auto [first, last] = std::ranges::minmax(batch.created_ms);
    report.created_ms_min = std::min(report.created_ms_min, first);
    report.created_ms_max = std::max(report.created_ms_max, last);
    keep(consumer.on_rows(batch));
    batch.clear();
}

void Reader::State::hand_over_rejects() {
    if (!rejects.rejects().empty()) {
        keep(consumer.on_rejects(rejects.rejects()));
        rejects.clear();
    }
}

Reader::Reader(const Options& options, Consumer& consumer, Target target)
    : state_(std::make_unique<State>(options, consumer, target)) {}

Reader::~Reader() = default;

Result<void> Reader::feed(std::string_view utf8) {
    if (state_->error) {
        return std::unexpected(*state_->error);
    }
    while (!utf8.empty()) {
        state_->splitter.fill(utf8);
        RH_TRY(state_->drain());
        state_->splitter.release();
    }
    return {};
}

Result<void> Reader::finish() {
    State& s = *state_;
    if (s.error) {
        return std::unexpected(*s.error);
    }
    s.splitter.finish();
    RH_TRY(s.drain());
    s.hand_over_rows();
    s.hand_over_rejects();
    if (!s.error && !s.has_header) {
        s.keep(fail(ErrorKind::invalid_content, "empty_file",
                    "The file is empty. It must have a header with the ten columns, and rows."));
    }
    if (!s.error && s.row_number == 0) {
        s.keep(fail(ErrorKind::invalid_content, "no_rows",
                    "The file has a header and no rows. Check that its export was complete."));
    }
    if (s.error) {
        return std::unexpected(*s.error);
    }
    return {};
}

const Report& Reader::report() const {
    Report& report = state_->report;
    report.rows.read = state_->row_number;
    report.rows.blank = state_->blank_lines + state_->splitter.empty_lines();
    for (size_t c = 0; c < kRejectCodes; ++c) {
        if (const uint64_t given = state_->rejects.given()[c]; given > 0) {
            report.faults[static_cast<RejectCode>(c)] = given;
        }
    }
    return report;
}

}  // namespace rh::csv
