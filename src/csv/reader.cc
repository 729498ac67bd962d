#include "csv/reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "csv/chunk_judges.h"
#include "csv/header.h"
#include "csv/judge.h"
#include "csv/quoting.h"
#include "csv/splitter.h"
#include "csv/utf8.h"
#include "csv/walker.h"

namespace rh::csv {

namespace {

// One thread walks over bytes that are still in its cache; several need chunks that are worth
// handing over.
constexpr size_t kChunkBytes = 64 * 1024;
constexpr size_t kSharedChunkBytes = 128 * 1024;
constexpr size_t kRejectsMax = 256;  // at once, on one thread

void append(model::StringColumn& to, const model::StringColumn& from, size_t first, size_t end) {
    const uint32_t begin = first == 0 ? 0 : from.ends[first - 1];
    const auto moved = static_cast<uint32_t>(to.chars.size()) - begin;  // wraps where it is less
    to.chars.insert(to.chars.end(), from.chars.data() + begin,
                    from.chars.data() + from.ends[end - 1]);
    const size_t before = to.ends.size();
    to.ends.resize(before + end - first);
    uint32_t* const ends = to.ends.data() + before;
    for (size_t r = 0; r < end - first; ++r) {
        ends[r] = from.ends[first + r] + moved;
    }
}

// Rows [first, end) of `from`, which there are, behind those of `to`.
void append(model::RowBatch& to, const model::RowBatch& from, size_t first, size_t end) {
    const auto rows = [first, end](auto& column, const auto& more) {
        column.insert(column.end(), more.data() + first, more.data() + end);
    };
    rows(to.row_number, from.row_number);
    rows(to.created_ms, from.created_ms);
    rows(to.game_instance_id, from.game_instance_id);
    rows(to.game_id, from.game_id);
    for (size_t a = 0; a < to.amount.size(); ++a) {
        rows(to.amount[a], from.amount[a]);
    }
    append(to.user_id, from.user_id, first, end);
    append(to.game_name, from.game_name, first, end);
    append(to.provider, from.provider, first, end);
}

RowRules rules_of(const Options& options, Target target) {
    return {.zone_ms = int64_t{options.timezone_offset_minutes} * 60'000,
            .amounts = {options.empty_amount_is_reject, options.allow_negative},
            .numbers = numbers_function(target)};
}

size_t chunk_bytes(const Work& work) {
    if (work.chunk_bytes > 0) {
        return work.chunk_bytes;
    }
    return work.threads > 1 ? kSharedChunkBytes : kChunkBytes;
}

}  // namespace

struct Reader::State {
    State(const Options& options, Consumer& to, const Work& work)
        : consumer(to),
          threads(work.threads),
          rules(rules_of(options, work.target)),
          splitter(options.delimiter, work.target, chunk_bytes(work)) {}

    Consumer& consumer;
    const unsigned threads;
    const RowRules rules;
    Splitter splitter;
    Walker walker;  // of what this thread walks over; its lines are those of the file
    Header header;
    std::unique_ptr<Judge> judge;  // once there is a header
    Judged judged;                 // of the whole file; rows and rejects: not handed over yet
    std::array<uint64_t, kRejectCodes> given{};  // of rejects that were handed over
    uint64_t empty_lines = 0;                    // that others walked over
    std::optional<Error> error;
    mutable Report report;
    std::unique_ptr<ChunkJudges> others;  // last: its threads end first

    Result<void> walk();
    void read_names(const Record& record);
    void hand_over_rows();
    void hand_over(model::RowBatch& rows);
    void hand_over_by_cell(model::RowBatch& rows);
    void hand_over_rejects();
    Result<void> take(ChunkJudges::Found& found);
    Result<void> take_chunk();
    Result<void> so_far() const {
        return error ? Result<void>(std::unexpected(*error)) : Result<void>();
    }
    void keep(Result<void> result) {
        if (!result && !error) {
            error = std::move(result).error();
        }
    }
};

// Judges the chunk on this thread.
Result<void> Reader::State::walk() {
    walker.begin(splitter.chunk());
    Record record;
    while (!error && !judge && walker.next(record)) {
        read_names(record);
    }
    const auto border = [this] {
        return (judged.records / model::kCellRows + 1) * model::kCellRows;
    };
    while (!error && judge && judge->judge(walker, border(), kRejectsMax, judged)) {
        if (judged.records % model::kCellRows == 0) {
            hand_over_rows();
        }
        if (judged.rejects.rejects().size() == kRejectsMax) {
            hand_over_rejects();
        }
    }
    return so_far();
}

void Reader::State::read_names(const Record& record) {
    const auto unreadable = [this](std::string_view why) {
        keep(fail(ErrorKind::invalid_content, "header_unreadable",
                  fmt::format("The header cannot be read: {}.", why)));
    };
    if (is_blank(record)) {
        ++judged.blank_lines;
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
    Scratch scratch;
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
    judge = std::make_unique<Judge>(rules, header);
    report.header = header.names;
    report.ignored_columns = header.extra;
}

void Reader::State::hand_over_rows() {
    judge->flush(judged);
    hand_over(judged.rows);
}

void Reader::State::hand_over(model::RowBatch& rows) {
    if (rows.empty() || error) {
        return;
    }
    report.totals.add(rows);
    const auto [first, last] = std::ranges::minmax(rows.created_ms);
    report.created_ms_min = std::min(report.created_ms_min, first);
    report.created_ms_max = std::max(report.created_ms_max, last);
    keep(consumer.on_rows(rows));
    rows.clear();
}

// Rows are copied only where a cell ends among them.
void Reader::State::hand_over_by_cell(model::RowBatch& rows) {
    if (rows.empty() ||
        model::cell_of(rows.row_number.front()) == model::cell_of(rows.row_number.back())) {
        hand_over(rows);
        return;
    }
    for (size_t first = 0; first < rows.size();) {
        const uint64_t cell = model::cell_of(rows.row_number[first]);
        const auto end = static_cast<size_t>(
            std::ranges::upper_bound(rows.row_number, (cell + 1) * model::kCellRows) -
            rows.row_number.begin());
        append(judged.rows, rows, first, end);
        hand_over(judged.rows);
        first = end;
    }
    rows.clear();
}

void Reader::State::hand_over_rejects() {
    if (judged.rejects.rejects().empty()) {
        return;
    }
    for (size_t c = 0; c < kRejectCodes; ++c) {
        given[c] += judged.rejects.given()[c];
    }
    keep(consumer.on_rejects(judged.rejects.rejects()));
    judged.rejects.clear();
}

// What another thread found in the next chunk: numbers from its beginning become those of the file.
Result<void> Reader::State::take(ChunkJudges::Found& found) {
    model::RowBatch& rows = found.judged.rows;
    for (uint64_t& number : rows.row_number) {
        number += judged.records;
    }
    for (model::Reject& reject : found.judged.rejects.rejects()) {
        reject.row += judged.records;
        reject.line += walker.lines();
        reject.line_last += walker.lines();
    }
    hand_over_by_cell(rows);
    std::swap(judged.rejects, found.judged.rejects);
    hand_over_rejects();
    std::swap(judged.rejects, found.judged.rejects);
    judged.records += found.judged.records;
    judged.accepted += found.judged.accepted;
    judged.blank_lines += found.judged.blank_lines;
    for (size_t a = 0; a < judged.empty_amounts.size(); ++a) {
        judged.empty_amounts[a] += found.judged.empty_amounts[a];
    }
    walker.skip_lines(found.lines);
    empty_lines += found.empty_lines;
    return so_far();
}

// Judges the chunk, or has it judged.
Result<void> Reader::State::take_chunk() {
    if (threads > 1 && !splitter.full()) {
        return {};
    }
    if (threads > 1 && judge) {
        if (!others) {
            // Rows that this thread has judged stand before all others.
            hand_over_rows();
            hand_over_rejects();
            others = std::make_unique<ChunkJudges>(
                rules, header, threads, [this](ChunkJudges::Found& found) { return take(found); });
        }
        return others->give(splitter);
    }
    RH_TRY(walk());
    splitter.carry();
    return {};
}

Reader::Reader(const Options& options, Consumer& consumer, const Work& work)
    : state_(std::make_unique<State>(options, consumer, work)) {}

Reader::~Reader() = default;

Result<void> Reader::feed(std::string_view utf8) {
    State& s = *state_;
    RH_TRY(s.so_far());
    if (!utf8.empty()) {
        s.report.ends_in_line = utf8.back() != '\n' && utf8.back() != '\r';
    }
    while (!utf8.empty()) {
        s.splitter.fill(utf8);
        const Result<void> taken = s.take_chunk();
        s.keep(taken);
        RH_TRY(taken);
    }
    return {};
}

Result<void> Reader::finish() {
    State& s = *state_;
    RH_TRY(s.so_far());
    if (s.others) {
        s.keep(s.others->finish());
        RH_TRY(s.so_far());
    }
    s.splitter.finish();
    RH_TRY(s.walk());
    if (s.judge) {
        s.hand_over_rows();
        s.hand_over_rejects();
    } else {
        s.keep(fail(ErrorKind::invalid_content, "empty_file",
                    "The file is empty. It must have a header with the ten columns, and rows."));
    }
    if (!s.error && s.judged.records == 0) {
        s.keep(fail(ErrorKind::invalid_content, "no_rows",
                    "The file has a header and no rows. Check that its export was complete."));
    }
    return s.so_far();
}

const Report& Reader::report() const {
    const State& s = *state_;
    Report& report = s.report;
    report.rows.read = s.judged.records;
    report.rows.accepted = s.judged.accepted;
    report.rows.rejected = s.judged.records - s.judged.accepted;
    report.rows.blank = s.judged.blank_lines + s.walker.empty_lines() + s.empty_lines;
    report.empty_amounts = s.judged.empty_amounts;
    for (size_t c = 0; c < kRejectCodes; ++c) {
        if (const uint64_t given = s.given[c] + s.judged.rejects.given()[c]; given > 0) {
            report.faults[static_cast<model::RejectCode>(c)] = given;
        }
    }
    return report;
}

}  // namespace rh::csv
