#include "reconcile/records.h"

#include <gtest/gtest.h>

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
              "row,game_id,created_timestamp,game_instance_id,user_id,real_amount_bet,"
              "bonus_amount_bet,real_amount_win,bonus_amount_win,game_name,provider,ignored_0\n"
              "1,7,t,1,u,,,,,\"a \"\"b\"\",\r\nc\",p,x\n");
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
    EXPECT_NE(found.out.find("\n3," + record("3") + "\n5," + record("5") + "\n"),
              std::string::npos);
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
