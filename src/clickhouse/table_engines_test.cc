#include "clickhouse/table_engines.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "clickhouse/consumer_tables.h"
#include "clickhouse/migrate.h"
#include "clickhouse/test_server.h"

namespace rh::clickhouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kAdded =
    "    replicated_deduplication_window = 0,\n"
    "    replicated_deduplication_window_for_async_inserts = 0,\n"
    "    min_compressed_bytes_to_fsync_after_fetch = 1,\n";

std::vector<std::string_view> all_statements() {
    std::vector<std::string_view> all;
    for (const auto files : {migration_files(), cluster_files(), consumer_files()}) {
        for (const EmbeddedFile& file : files) {
            const auto statements = statements_of(file.text);
            all.insert(all.end(), statements.begin(), statements.end());
        }
    }
    return all;
}

std::string_view line_behind(std::string_view text, std::string_view word) {
    text.remove_prefix(text.find(word) + word.size());
    return text.substr(0, text.find('\n'));
}

// What stands in queries/, table for table; the rest of each statement must stay as it is.
TEST(TableEngines, EveryTableOfTheFamilyIsMadeReplicatedWithItsParameters) {
    std::vector<std::string> made;
    for (const std::string_view statement : all_statements()) {
        EXPECT_EQ(with_engines(statement, Engines::plain), statement);
        std::string replicated = with_engines(statement, Engines::replicated);
        if (replicated == statement) {
            EXPECT_THAT(statement, Not(HasSubstr("MergeTree\n"))) << "a table was left out";
            EXPECT_THAT(statement, Not(HasSubstr("MergeTree("))) << "a table was left out";
            continue;
        }
        const std::string_view engine = line_behind(replicated, "\nENGINE = ");
        made.push_back(fmt::format(
            "{}: {}", line_behind(statement, "CREATE TABLE IF NOT EXISTS roundhouse."), engine));
        replicated.replace(static_cast<size_t>(engine.data() - replicated.data()), engine.size(),
                           line_behind(statement, "\nENGINE = "));
        ASSERT_THAT(replicated, HasSubstr(kAdded));
        replicated.erase(replicated.find(kAdded), kAdded.size());
        EXPECT_EQ(replicated, statement);
    }
    const std::string path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
    EXPECT_THAT(made,
                testing::ElementsAre(
                    fmt::format("game_rounds: ReplicatedReplacingMergeTree({})", path),
                    fmt::format("hourly: ReplicatedReplacingMergeTree({}, rounds)", path),
                    fmt::format("hourly_by_game: ReplicatedReplacingMergeTree({}, rounds)", path),
                    fmt::format("game_hourly: ReplicatedReplacingMergeTree({}, rounds)", path),
                    fmt::format("games: ReplicatedReplacingMergeTree({}, rounds)", path),
                    fmt::format("uploads: ReplicatedReplacingMergeTree({}, revision)", path),
                    fmt::format("dead_letters: ReplicatedReplacingMergeTree({})", path)));
}

using TableEnginesOfAServer = ServerTest;

TEST_F(TableEnginesOfAServer, TablesOfTheOtherKindAreNamed) {
    const Client owner(server->owner());
    EXPECT_TRUE(check_engines(owner, Engines::plain));
    EXPECT_TRUE(check_replicas(owner)) << "none is a replica";
    const auto refused = check_engines(owner, Engines::replicated);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "other_engines");
    EXPECT_THAT(refused.error().message,
                HasSubstr("dead_letters, game_hourly, game_rounds, games, hourly, hourly_by_game, "
                          "uploads"));
    EXPECT_THAT(refused.error().message, HasSubstr("--clickhouse-engines=plain"));
}

}  // namespace
}  // namespace rh::clickhouse
