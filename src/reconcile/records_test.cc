#include "reconcile/records.h"

#include <random>

#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "reconcile/scan_for_test.h"

namespace rh::reconcile {
namespace {

TEST(RecordScanner, CountsAndNumbersRecordsWhateverTheLineEnd) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        const auto found = scan(lines({std::string(kHeader), "1", "", "2 ", " \t", "3"}, end));
        EXPECT_EQ(found.counts.records, 3U);
        EXPECT_EQ(found.counts.blank, 2U);
        EXPECT_EQ(found.counts.lines, 6U);
        EXPECT_EQ(found.counts.malformed, 3U);  // one field each, where the header has ten
    }
}

TEST(RecordScanner, GivesTheEngineItsOwnHeaderAndNumberedRecords) {
    const auto found = scan(
        " Game_ID ,\"created_timestamp\",game_instance_id,user_id,real_amount_bet,"
        "bonus_amount_bet,real_amount_win,bonus_amount_win,game_name,provider,note\r\n"
        "7,t,1,u,,,,,\"a \"\"b\"\",\r\nc\",p,x\r\n");
    EXPECT_EQ(found.out,
              "row,refused,game_id,created_timestamp,game_instance_id,user_id,real_amount_bet,"
              "bonus_amount_bet,real_amount_win,bonus_amount_win,game_name,provider,ignored_0\n"
              "1,0,7,t,1,u,,,,,\"a \"\"b\"\",\r\nc\",p,x\n");
    EXPECT_EQ(found.counts.kept, 1U);
    EXPECT_EQ(found.counts.lines, 3U);
}

TEST(RecordScanner, LeavesOutTheLinesOfRefusedRecordsAndNothingElse) {
    // Line 3 opens a quote that the ingest path saw as its own record; line 5 and 6 are one record.
    const auto found = scan(lines({std::string(kHeader), record("1"), "bad \" quote", record("3"),
                                   record("\"4", "x"), "y\"", record("5")},
                                  "\r\n"),
                            {{3, 3}, {5, 6}});
    EXPECT_EQ(found.counts.records, 5U);
    EXPECT_EQ(found.counts.dropped, 2U);
    EXPECT_EQ(found.counts.kept, 3U);
    EXPECT_FALSE(found.unmatched);
    EXPECT_NE(found.out.find("\n3,0," + record("3") + "\n5,0," + record("5") + "\n"),
              std::string::npos);
}

TEST(RecordScanner, HandsOnRefusedRecordsThatAreWellFormed) {
    // Line 3 is refused for a value; line 4 has a byte that is no UTF-8; 5 to 6 are two records
    // that were refused as one; 7 never closes its quote, though its lines end with line 8.
    const std::string file = lines({std::string(kHeader), record("1"), record("2"), record("\xFF"),
                                    record("4"), record("5"), record("\"6"), "x", record("7")},
                                   "\n");
    const std::vector<LineRange> ranges = {{3, 3}, {4, 4}, {5, 6}, {7, 8}};
    for (const size_t piece : {size_t{1}, size_t{7}, file.size()}) {
        const auto found = scan(file, ranges, piece);
        EXPECT_EQ(found.counts.records, 7U);
        EXPECT_EQ(found.counts.kept, 5U);
        EXPECT_EQ(found.counts.refused, 3U);
        EXPECT_EQ(found.counts.dropped, 2U);
        EXPECT_EQ(found.counts.malformed, 0U);
        EXPECT_TRUE(found.out.ends_with("\n1,0," + record("1") + "\n2,1," + record("2") + "\n4,1," +
                                        record("4") + "\n5,1," + record("5") + "\n7,0," +
                                        record("7") + "\n"))
            << found.out;
    }
}

TEST(RecordScanner, ARecordHasAtMostAsManyBytesAsTheRulesSay) {
    const std::string frame = record("");
    const std::string longest = record(std::string(kRecordBytesMax - frame.size(), 'n'));
    ASSERT_EQ(longest.size(), kRecordBytesMax);
    EXPECT_EQ(scan(lines({std::string(kHeader), longest}, "\r\n")).counts.kept, 1U);
    EXPECT_EQ(scan(lines({std::string(kHeader), longest + "n"}, "\r\n")).counts.malformed, 1U);
    EXPECT_EQ(scan(lines({std::string(kHeader), longest + "n"}, "\n"), {{2, 2}}).counts.dropped,
              1U);
}

TEST(RecordScanner, SaysWhenARefusedRecordBeginsInsideAnother) {
    const auto found =
        scan(lines({std::string(kHeader), record("\"1\r\n2\""), record("3")}, "\n"), {{3, 3}});
    ASSERT_TRUE(found.unmatched);
    EXPECT_EQ(found.unmatched->first, 3U);
}

TEST(RecordScanner, RefusesWrongFieldCountsAndQuotesWithExamples) {
    const auto found = scan(lines(
        {std::string(kHeader), record("1"), "1,2", record("a\"b"), record("\"a\"b"), "\"never"},
        "\n"));
    EXPECT_EQ(found.counts.kept, 1U);
    EXPECT_EQ(found.counts.malformed, 4U);
    ASSERT_EQ(found.examples.size(), 4U);
    EXPECT_EQ(found.examples[0].row, 2U);
    EXPECT_EQ(found.examples[0].problem, "It has 2 fields, the header has 10.");
}

TEST(RecordScanner, PiecesOfAnySizeGiveTheSame) {
    const std::string file = lines(
        {std::string(kHeader), record("\"a\"\"\r\nb\""), "", record("2"), "short", record("4")},
        "\r\n");
    const auto whole = scan(file, {{6, 6}});
    for (size_t bytes = 1; bytes < 40; ++bytes) {
        const auto cut = scan(file, {{6, 6}}, bytes);
        EXPECT_EQ(cut.out, whole.out) << bytes;
        EXPECT_EQ(cut.counts, whole.counts) << bytes;
    }
}

// In pieces of one byte it takes no record in one step.
TEST(RecordScanner, WholeRecordsAndSingleBytesGiveTheSame) {
    const uint64_t seed = test_seed();
    SCOPED_TRACE("RH_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    constexpr std::string_view kBytes = "aaaaa,,,,,\"\n\n\r \t";
    for (int file = 0; file < 3'000; ++file) {
        std::string text = std::string(kHeader) + (random() % 2 == 0 ? "\n" : "\r\n");
        for (uint64_t i = 0, n = random() % 300; i < n; ++i) {
            if (random() % 16 == 0) {
                text += record(std::to_string(i)) + (random() % 3 == 0 ? "\r\n" : "\n");
            } else {
                text += kBytes[random() % kBytes.size()];
            }
        }
        std::vector<LineRange> ranges;
        for (uint64_t line = 2 + random() % 8; line < 40; line += 1 + random() % 8) {
            ranges.push_back({line, line + random() % 2});
            line += 2;
        }
        if (random() % 2 == 0) {
            ranges.clear();
        }
        const auto bytes = scan(text, ranges, 1);
        for (const size_t piece : {size_t{7}, size_t{64}, text.size()}) {
            const auto found = scan(text, ranges, piece);
            ASSERT_EQ(found.out, bytes.out) << file << "\n" << text;
            ASSERT_EQ(found.counts, bytes.counts) << file << "\n" << text;
            ASSERT_EQ(found.unmatched.has_value(), bytes.unmatched.has_value()) << file;
            ASSERT_EQ(found.examples.size(), bytes.examples.size()) << file;
            for (size_t e = 0; e < found.examples.size(); ++e) {
                ASSERT_EQ(found.examples[e].text, bytes.examples[e].text) << file;
                ASSERT_EQ(found.examples[e].problem, bytes.examples[e].problem) << file;
            }
        }
    }
}

TEST(RecordScanner, WantsAllTenColumnsOnce) {
    EXPECT_EQ(scan("a,b\n").error, "missing_column");
    EXPECT_EQ(scan(std::string(kHeader) + ",PROVIDER\n").error, "duplicate_column");
    EXPECT_EQ(scan("\n\n").error, "empty_file");
}

TEST(FindDelimiter, TakesTheOneThatPartsTheNames) {
    EXPECT_EQ(find_delimiter("user_id;game_id;a,b\n1,2"), ';');
    EXPECT_EQ(find_delimiter("\n user_id \t GAME_ID"), '\t');
    EXPECT_EQ(find_delimiter("nothing known"), std::nullopt);
}

}  // namespace
}  // namespace rh::reconcile
