#include "sink/leftovers.h"

#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "sink/audit.h"
#include "sink/store_for_test.h"

namespace rh::sink {
namespace {

class LeftoversTest : public StoreTest {
  protected:
    // Three rounds of an upload, in every table that its rows come into.
    static model::UploadId insert_rounds(uint8_t n) {
        model::UploadId id;
        id.bytes.fill(n);
        EXPECT_EQ(ask("INSERT INTO game_rounds (upload_id, row_number, created_timestamp) "
                      "SELECT {id:UUID}, number, '2019-10-22 00:00:00' FROM numbers(1, 3)",
                      id),
                  "");
        return id;
    }
    static void insert_upload(const model::UploadId& id, const std::string& stored_version) {
        EXPECT_EQ(ask("INSERT INTO uploads (upload_id, stored_version, voided_version, revision) "
                      "VALUES ({id:UUID}, " +
                          stored_version + ", 18446744073709551615, 1)",
                      id),
                  "");
    }
    static std::string rounds(const model::UploadId& id) {
        return ask(
            "SELECT (SELECT count() FROM game_rounds WHERE upload_id = {id:UUID}) AS rows, "
            "(SELECT sum(rounds) FROM hourly FINAL WHERE upload_id = {id:UUID}) AS rounds",
            id);
    }
    static std::string removals(const model::UploadId& id) {
        return ask(
            "SELECT count() FROM system.mutations WHERE NOT is_done "
            "AND position(command, toString({id:UUID})) > 0",
            id);
    }
};

TEST_F(LeftoversTest, ARemovalTakesNothingThatAVersionCounts) {
    const auto counts = insert_rounds(1);
    insert_upload(counts, "7");
    const auto given_up = insert_rounds(2);
    insert_upload(given_up, "18446744073709551615");
    const auto on_its_way = insert_rounds(3);
    for (const auto& id : {counts, given_up, on_its_way}) {
        EXPECT_EQ(rounds(id), "3\t3");
        const auto deleted = delete_rows(*store, id);
        ASSERT_TRUE(deleted) << deleted.error().message;
    }
    EXPECT_EQ(rounds(counts), "3\t3");
    EXPECT_EQ(rounds(given_up), "0\t0");
    EXPECT_EQ(rounds(on_its_way), "0\t0");
}

TEST_F(LeftoversTest, ARemovalThatIsNotDoneIsEndedAndNoOther) {
    const auto taken_over = insert_rounds(4);
    const auto others = insert_rounds(5);
    ASSERT_EQ(ask("SYSTEM STOP MERGES", taken_over), "");  // nor are rows removed
    std::jthread asks([&] { EXPECT_FALSE(delete_rows(*store, taken_over)); });
    std::jthread asks_too([&] { EXPECT_TRUE(delete_rows(*store, others)); });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while ((removals(taken_over) != "1" || removals(others) != "1") &&
           std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::jthread stops([&] {
        const auto stopped = stop_removals(*store, taken_over);
        EXPECT_TRUE(stopped) << stopped.error().message;
    });
    asks.join();  // it was told that it is over
    EXPECT_EQ(removals(others), "1");
    ASSERT_EQ(ask("SYSTEM START MERGES", taken_over), "");
    stops.join();
    asks_too.join();
    EXPECT_EQ(removals(taken_over), "0");
    EXPECT_EQ(rounds(taken_over), "3\t3");
    EXPECT_EQ(rounds(others), "0\t0");
}

}  // namespace
}  // namespace rh::sink
