#include "reconcile/findings.h"

#include <gtest/gtest.h>

#include "reconcile/record.h"

namespace rh::reconcile {
namespace {

Discrepancy finding(std::string player) {
    Discrepancy found;
    found.key = {std::move(player), 12, 436'784};
    found.break_class = BreakClass::amount_mismatch;
    found.original = model::Totals{.rows = 2, .sums = {}};
    found.original->sums[0].micros = 1'500'000;
    return found;
}

TEST(Findings, PageByOffsetAndRefuseOthers) {
    const std::string path = testing::TempDir() + "/findings.ndjson";
    auto writer = FindingsWriter::create(path);
    ASSERT_TRUE(writer);
    for (const char* player : {"a", "b", "c"}) {
        ASSERT_TRUE(writer->add(finding(player)));
    }
    ASSERT_TRUE(writer->finish());
    const auto first = read_findings(path, 0, 2);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->lines.size(), 2U);
    EXPECT_FALSE(first->at_end);
    const auto second = read_findings(path, first->next_offset, 2);
    ASSERT_TRUE(second);
    ASSERT_EQ(second->lines.size(), 1U);
    EXPECT_TRUE(second->at_end);
    EXPECT_EQ(second->lines[0], to_json(finding("c")));
    EXPECT_EQ(read_findings(path, 3, 2).error().code, "bad_cursor");
    EXPECT_EQ(read_findings(path, 1'000'000, 2).error().code, "bad_cursor");
}

TEST(Findings, HaveTheShapeOfTheApi) {
    EXPECT_EQ(to_json(finding("p")),
              R"({"player_id":"p","game_id":"12","hour":"2019-10-30T08:00:00Z",)"
              R"("class":"amount_mismatch","original":{"rounds":2,"real_amount_bet":"1.5",)"
              R"("bonus_amount_bet":"0","real_amount_win":"0","bonus_amount_win":"0"},)"
              R"("stored":null,"aggregated":null})");
}

TEST(Findings, OfOtherRollupsNameTheTableAndHaveNoOtherParts) {
    Discrepancy found = finding("");
    found.has_player = found.has_hour = false;
    found.table = "games";
    found.names = {"Play'n GO", "Book"};
    const std::string json = to_json(found);
    EXPECT_NE(json.find(R"("player_id":null,"game_id":"12","hour":null,)"), std::string::npos);
    EXPECT_NE(json.find(R"("table":"games","provider":"Play'n GO","game_name":"Book"})"),
              std::string::npos)
        << json;
}

TEST(Record, ComesBackAsItWasWritten) {
    Reconciliation r;
    r.id = new_id();
    EXPECT_TRUE(is_id(r.id));
    r.statement = StatementOptions{"a.csv", Charset::utf16le, ';', 120};
    r.scope = {3'600'000, 7'200'000, {7}, {"Play'n GO"}};
    r.state = RunState::done;
    r.matched = true;
    r.original.rows = 3;
    r.original.sums[2].micros = -1;
    r.warnings = {{"line_balance", "text", 2}};
    r.rejected_examples = {{4, "bad"}};
    r.created_at = 1'000;
    r.finished_at = 2'500;
    const auto back = parse_record(to_record(r));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_record(*back), to_record(r));
    EXPECT_FALSE(parse_record("{}"));
}

}  // namespace
}  // namespace rh::reconcile
