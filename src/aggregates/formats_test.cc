#include "aggregates/formats.h"

#include <gtest/gtest.h>

namespace rh::aggregates {
namespace {

Row sample_row(std::string player_id = "p1") {
    return {{std::move(player_id), 10'100, 1'571'731'200},
            3,
            {{{12'500'000}, {0}, {-1}, {__int128{999'999'999'999'999'999} * 1000}}}};
}

std::string csv_of(const std::string& player_id, bool guard = true) {
    Query query;
    query.by_game = false;
    query.granularity = Granularity::total;
    std::string out;
    append_csv(out, query, sample_row(player_id), guard);
    const std::string tail = ",3,12.5,0,-0.000001,999999999999999.999\r\n";
    EXPECT_TRUE(out.ends_with(tail)) << out;
    return out.substr(0, out.size() - tail.size());
}

TEST(Formats, JsonCarriesTheShapeOfTheContract) {
    const std::vector<Row> rows = {sample_row()};
    EXPECT_EQ(json_page(Query(), rows, {7, std::nullopt, std::nullopt}),
              R"({"data":[{"player_id":"p1","game_id":"10100","hour":"2019-10-22T08:00:00Z",)"
              R"("rounds":3,"real_amount_bet":"12.5","bonus_amount_bet":"0",)"
              R"("real_amount_win":"-0.000001","bonus_amount_win":"999999999999999.999"}],)"
              R"("next_cursor":null,"version":7})");
    EXPECT_EQ(json_page(Query(), {}, {7, "abc", 12}),
              R"({"data":[],"next_cursor":"abc","version":7,"count":12})");
}

TEST(Formats, AnAnswerWithoutAShardSaysSo) {
    const Envelope envelope{
        .version = 7, .next_cursor = {}, .count = {}, .missing_shards = {"a:1", "b:2"}};
    EXPECT_EQ(json_page(Query(), {}, envelope), R"({"data":[],"next_cursor":null,"version":7,)"
                                                R"("partial":{"missing_shards":["a:1","b:2"]}})");
    EXPECT_EQ(ndjson_end(0, envelope), R"({"_end":{"rows":0,"version":7,"next_cursor":null,)"
                                       R"("partial":{"missing_shards":["a:1","b:2"]}}})"
                                       "\n");
}

TEST(Formats, JsonEscapesPlayers) {
    std::string out;
    Query query;
    append_ndjson(out, query, sample_row("a\"b\\c\x01Zoë"));
    EXPECT_TRUE(out.starts_with(R"({"player_id":"a\"b\\c\u0001Zoë",)")) << out;
    EXPECT_TRUE(out.ends_with("}\n"));
}

TEST(Formats, LeavesOutWhatIsNotGroupedBy) {
    Query query;
    query.by_player = false;
    query.by_game = false;
    query.granularity = Granularity::day;
    EXPECT_EQ(csv_header(query),
              "day,rounds,real_amount_bet,bonus_amount_bet,real_amount_win,bonus_amount_win\r\n");
    std::string out;
    append_ndjson(out, query, {{"", 0, 18'191}, 1, {}});
    EXPECT_TRUE(out.starts_with(R"({"day":"2019-10-22","rounds":1,)")) << out;
}

TEST(Formats, CsvQuotesAndGuardsCells) {
    EXPECT_EQ(csv_of("plain"), "plain");
    EXPECT_EQ(csv_of("a,b"), "\"a,b\"");
    EXPECT_EQ(csv_of("say \"hi\""), "\"say \"\"hi\"\"\"");
    EXPECT_EQ(csv_of("=SUM(A1)"), "'=SUM(A1)");
    EXPECT_EQ(csv_of("@x,y"), "\"'@x,y\"");
    EXPECT_EQ(csv_of("+cmd"), "'+cmd");
    EXPECT_EQ(csv_of("-"), "'-");
    EXPECT_EQ(csv_of("-1+1"), "'-1+1");
    EXPECT_EQ(csv_of("+1e"), "'+1e");
    EXPECT_EQ(csv_of("=SUM(A1)", false), "=SUM(A1)");
}

TEST(Formats, CsvLeavesNumbersAlone) {
    for (const char* number : {"-12.50", "+3", "-.5", "-5.", "-1e-05", "+2E+3"}) {
        EXPECT_EQ(csv_of(number), number);
    }
}

TEST(Formats, NdjsonEndNamesWhatWasSent) {
    EXPECT_EQ(ndjson_end(2, {7, std::nullopt, std::nullopt}),
              "{\"_end\":{\"rows\":2,\"version\":7,\"next_cursor\":null}}\n");
}

}  // namespace
}  // namespace rh::aggregates
