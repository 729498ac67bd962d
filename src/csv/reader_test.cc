// What a random file and a corpus file do not show: cells, bounds of records, memory, errors.
#include "csv/reader.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "csv/collector.h"
#include "csv/encoding.h"
#include "csv/header.h"
#include "csv/walker.h"

namespace rh::csv {
namespace {

using testing::Outcome;
using testing::read_csv;

const std::string kHeader =
    "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
    "real_amount_win,bonus_amount_win,game_name,provider\n";
const std::string kRow = "2019-10-22 08:20:41,20000,u,10000,0.05,,1,2,Game,Maker\n";
const std::string kBadRow = "2019-10-22 08:20:41,20000,u,10000,x,,1,2,Game,Maker\n";

TEST(Reader, ABatchHoldsRowsOfOneCell) {
    std::string file = kHeader;
    for (size_t r = 1; r <= 2 * model::kCellRows + 1; ++r) {
        file += r == model::kCellRows || r == model::kCellRows + 1 ? kBadRow : kRow;
    }
    const Outcome o = read_csv(file);
    EXPECT_EQ(o.found.batch_sizes,
              (std::vector<size_t>{model::kCellRows - 1, model::kCellRows - 1, 1}));
    EXPECT_EQ(o.found.rows[model::kCellRows - 1].number, model::kCellRows + 2);
    EXPECT_EQ(o.report.rows.read, 2 * model::kCellRows + 1);
    EXPECT_EQ(o.report.rows.rejected, 2U);
    EXPECT_EQ(o.report.totals.rows, o.report.rows.accepted);
    EXPECT_EQ(o.report.totals.sums[0].micros,
              static_cast<__int128>(o.report.rows.accepted) * 50'000);
    EXPECT_EQ(o.report.empty_amounts[1], o.report.rows.accepted);
    EXPECT_EQ(o.report.created_ms_min, 1'571'732'441'000);
    EXPECT_EQ(o.report.created_ms_max, 1'571'732'441'000);
}

TEST(Reader, RejectsComeInBulkAndAllOfThem) {
    std::string file = kHeader;
    for (int r = 0; r < 1000; ++r) {
        file += kBadRow;
    }
    const Outcome o = read_csv(file);
    ASSERT_EQ(o.found.rejects.size(), 1000U);
    for (size_t r = 0; r < 1000; ++r) {
        EXPECT_EQ(o.found.rejects[r].row, r + 1);
        EXPECT_EQ(o.found.rejects[r].line, r + 2);
        ASSERT_EQ(o.found.rejects[r].faults.size(), 1U);
        EXPECT_FALSE(o.found.rejects[r].faults[0].detail.empty());
    }
    EXPECT_EQ(o.report.faults.at(model::RejectCode::bad_decimal), 1000U);
}

// A row whose record has exactly `bytes` bytes, in an ignored column.
std::string row_of(size_t bytes, bool quoted) {
    std::string row = kRow.substr(0, kRow.size() - 1) + (quoted ? ",\"" : ",");
    row.resize(bytes - (quoted ? 1 : 0), 'x');
    return row + (quoted ? "\"\n" : "\n");
}

TEST(Reader, ARecordOfTheLimitIsReadAndOneByteMoreIsNot) {
    const std::string header = kHeader.substr(0, kHeader.size() - 1) + ",note\n";
    for (const bool quoted : {false, true}) {
        const std::string file = header + row_of(kRecordBytesMax, quoted) +
                                 row_of(kRecordBytesMax + 1, quoted) +
                                 row_of(3 * kRecordBytesMax, quoted) + row_of(100, quoted);
        const Outcome o = read_csv(file);
        EXPECT_EQ(o.report.rows.accepted, 2U);
        ASSERT_EQ(o.found.rejects.size(), 2U);
        EXPECT_EQ(o.found.rejects[0].line, 3U);
        EXPECT_EQ(o.found.rejects[1].line, 4U);
        EXPECT_EQ(o.found.rejects[1].faults[0].code, model::RejectCode::line_too_long);
        EXPECT_EQ(o.found.rejects[1].faults[0].value.size(), model::kFaultValueCharactersMax);
        EXPECT_EQ(describe(read_csv(file, {}, Work{}, [] { return size_t{1000}; })), describe(o));
        EXPECT_EQ(
            describe(read_csv(file, {}, {.target = Target::scalar}, [] { return size_t{65'537}; })),
            describe(o));
    }
}

TEST(Reader, LongRecordsCountTheirLinesAndAreUnclosedAtTheEnd) {
    std::string lines;
    for (int n = 0; n < 400'000; ++n) {
        lines += n % 2 == 0 ? "ab\r\n" : "c\rd\n";
    }
    const std::string open = kHeader + kRow + "2019,\"" + lines;
    const Outcome unclosed = read_csv(open);
    ASSERT_EQ(unclosed.found.rejects.size(), 1U);
    EXPECT_EQ(unclosed.found.rejects[0].faults[0].code, model::RejectCode::unclosed_quote);
    EXPECT_EQ(unclosed.found.rejects[0].line, 3U);
    EXPECT_EQ(unclosed.found.rejects[0].line_last, 3U + 600'000 - 1);
    const Outcome closed = read_csv(open + "\"\n" + kRow);
    ASSERT_EQ(closed.found.rejects.size(), 1U);
    EXPECT_EQ(closed.found.rejects[0].faults[0].code, model::RejectCode::line_too_long);
    EXPECT_EQ(closed.found.rejects[0].line_last, 3U + 600'000);
    EXPECT_EQ(closed.report.rows.accepted, 2U);
    EXPECT_EQ(describe(read_csv(open + "\"\n" + kRow, {}, Work{}, [] { return size_t{777}; })),
              describe(closed));
}

// The cells of the batches, each once; no batch may reach into the next.
std::vector<uint64_t> cells_of_batches(const testing::Collector& found) {
    std::vector<uint64_t> cells;
    size_t first = 0;
    for (const size_t rows : found.batch_sizes) {
        const uint64_t cell = model::cell_of(found.rows[first].number);
        EXPECT_EQ(model::cell_of(found.rows[first + rows - 1].number), cell);
        if (cells.empty() || cells.back() != cell) {
            cells.push_back(cell);
        }
        first += rows;
    }
    EXPECT_EQ(first, found.rows.size());
    return cells;
}

TEST(Reader, SeveralThreadsCutAtTheSameCells) {
    std::string file = kHeader;
    for (int n = 0; n < 150'000; ++n) {
        file += n % 1000 == 0 ? "bad\n" : kRow;
        file += n % 777 == 0 ? "\n \r\n" : "";
    }
    const Outcome one = read_csv(file);
    const Outcome three =
        read_csv(file, {}, {.threads = 3, .chunk_bytes = 100'000}, [] { return size_t{30'011}; });
    EXPECT_EQ(one.found.batch_sizes.size(), 3U);
    EXPECT_EQ(cells_of_batches(one.found), (std::vector<uint64_t>{0, 1, 2}));
    EXPECT_EQ(cells_of_batches(three.found), (std::vector<uint64_t>{0, 1, 2}));
    EXPECT_EQ(describe(three), describe(one));
    EXPECT_EQ(three.report.totals, one.report.totals);
    EXPECT_EQ(three.report.faults, one.report.faults);
    EXPECT_EQ(three.report.created_ms_max, one.report.created_ms_max);
}

TEST(Splitter, MemoryStaysFlat) {
    Splitter splitter(',', best_target(), size_t{64} * 1024);
    const std::string piece(256 * 1024, ',');
    uint64_t most = 0;
    Walker walker;
    for (int n = 0; n < 200; ++n) {
        for (std::string_view rest = piece; !rest.empty();) {
            splitter.fill(rest);
            walker.begin(splitter.chunk());
            Record record;
            EXPECT_FALSE(walker.next(record));
            splitter.carry();
        }
        most = std::max(most, splitter.bytes_held());
    }
    EXPECT_LT(most, 16U * kRecordBytesMax);
}

struct FailingConsumer : Consumer {
    int calls = 0;
    Result<void> on_rows(model::RowBatch&) override {
        ++calls;
        return fail(ErrorKind::storage_full, "storage_full", "No space.");
    }
    Result<void> on_rejects(std::span<const model::Reject>) override { return {}; }
};

TEST(Reader, AnErrorOfTheConsumerEndsIt) {
    FailingConsumer consumer;
    Reader reader({}, consumer);
    ASSERT_TRUE(reader.feed(kHeader + kRow));
    EXPECT_EQ(reader.finish().error().code, "storage_full");
    EXPECT_EQ(reader.feed(kRow).error().code, "storage_full");
    EXPECT_EQ(reader.finish().error().code, "storage_full");
    EXPECT_EQ(consumer.calls, 1);
}

TEST(Reader, AnErrorOfTheConsumerEndsSeveralThreadsToo) {
    FailingConsumer consumer;
    Reader reader({}, consumer, {.threads = 2, .chunk_bytes = 1000});
    std::string rows;
    for (uint64_t n = 0; n <= model::kCellRows; ++n) {
        rows += kRow;
    }
    Result<void> fed = reader.feed(kHeader);
    for (int n = 0; fed && n < 5; ++n) {
        fed = reader.feed(rows);
    }
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, "storage_full");
    EXPECT_EQ(reader.finish().error().code, "storage_full");
    EXPECT_EQ(consumer.calls, 1);
}

TEST(Reader, HeaderErrorsSayWhatIsMissingAndWhatIsThere) {
    const Outcome o = read_csv("user_id,Game_ID,foo\n1,2,3\n");
    EXPECT_EQ(o.error, "missing_column");
    EXPECT_NE(o.message.find("created_timestamp, game_instance_id, real_amount_bet"),
              std::string::npos)
        << o.message;
    EXPECT_NE(o.message.find("'user_id', 'Game_ID', 'foo'"), std::string::npos) << o.message;
    EXPECT_EQ(read_csv("a,b," + kHeader + kRow).error, "");
    EXPECT_EQ(read_csv(kHeader.substr(0, kHeader.size() - 1) + ",PROVIDER\n").error,
              "duplicate_column");
    EXPECT_EQ(read_csv(std::string(kRecordBytesMax + 1, 'x') + "\n").error, "header_unreadable");
}

TEST(Reader, ColumnsBeyondTheTenHaveALimitAndSoHaveTheirFaults) {
    const auto with_extra = [](size_t columns) {
        return kHeader.substr(0, kHeader.size() - 1) + std::string(columns, ',') + "\n";
    };
    EXPECT_EQ(read_csv(with_extra(kHeaderFieldsMax - kColumns + 1) + kRow).error,
              "too_many_columns");
    std::string row = kRow.substr(0, kRow.size() - 1);
    for (size_t i = kColumns; i < kHeaderFieldsMax; ++i) {
        row += ",a\"";
    }
    const Outcome o = read_csv(with_extra(kHeaderFieldsMax - kColumns) + row + "\n");
    EXPECT_EQ(o.error, "");
    ASSERT_EQ(o.found.rejects.size(), 1U);
    EXPECT_EQ(o.found.rejects[0].faults.size(), 10U);
    EXPECT_EQ(o.found.rejects[0].faults[0].code, model::RejectCode::bad_quote);
}

TEST(SniffDelimiter, TheOneThatMakesTheNamesAppear) {
    for (const char d : {',', ';', '\t', '|'}) {
        std::string head = kHeader;
        std::ranges::replace(head, ',', d);
        EXPECT_EQ(sniff_delimiter("\r\n \n" + head + "a,b;c|d\n"), d);
    }
    EXPECT_EQ(sniff_delimiter("created_timestamp"), std::nullopt);
    EXPECT_EQ(sniff_delimiter(""), std::nullopt);
    EXPECT_EQ(sniff_delimiter("a,b,c\n" + kHeader), std::nullopt);
}

}  // namespace
}  // namespace rh::csv
