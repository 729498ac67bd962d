#include "clickhouse/native_block.h"

#include <random>

#include <gmock/gmock.h>

#include "clickhouse/test_server.h"

namespace rh::clickhouse {
namespace {

constexpr int64_t kHour = 3'600'000;

model::UploadId upload_of(uint8_t tag) {
    model::UploadId id;
    for (size_t i = 0; i < id.bytes.size(); ++i) {
        id.bytes[i] = static_cast<uint8_t>(16 * i + tag);
    }
    return id;
}

// `rows` rows from row number `first` on; each `step_ms` after the one before.
model::RowBatch batch_of(uint64_t first, size_t rows, int64_t step_ms) {
    model::RowBatch batch;
    for (uint64_t i = 0; i < rows; ++i) {
        const auto n = static_cast<int64_t>(first + i);
        batch.row_number.push_back(first + i);
        batch.created_ms.push_back(1'570'000'000'000 + n * step_ms);
        batch.game_instance_id.push_back(20'000 + n);
        batch.user_id.push_back("player" + std::to_string(n % 5));
        batch.game_id.push_back(n % 3);
        batch.amount[0].push_back(n);
        batch.amount[1].push_back(-n);
        batch.amount[2].push_back(999'999'999'999'999'999);
        batch.amount[3].push_back(0);
        batch.game_name.push_back("Game, \"" + std::to_string(n % 3) + "\"\n");
        batch.provider.push_back(n % 2 == 0 ? "Play'n GO" : "");
    }
    return batch;
}

class NativeBlocks : public ServerTest {
  protected:
    static void insert(NativeBlock& block) {
        const auto done =
            Client(server->owner())
                .insert(insert_game_rounds_sql(), block.encode(), {}, insert_settings());
        ASSERT_TRUE(done) << done.error().message;
    }
};

TEST_F(NativeBlocks, EveryColumnArrivesAsItWas) {
    const model::UploadId id = upload_of(1);
    NativeBlock block(id, 7);
    block.append(batch_of(1, 2, 1));
    insert(block);
    EXPECT_EQ(
        ask("SELECT upload_id, row_number, part, created_timestamp, game_instance_id, user_id, "
            "game_id, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win, "
            "game_name, provider FROM game_rounds WHERE upload_id = {id:UUID} "
            "ORDER BY row_number",
            {{"id", to_string(id)}}),
        to_string(id) +
            "\t1\t7\t2019-10-02 07:06:40.001\t20001\tplayer1\t1\t0.000001\t-0.000001\t"
            "999999999999.999999\t0\tGame, \"1\"\\n\t\n" +
            to_string(id) +
            "\t2\t7\t2019-10-02 07:06:40.002\t20002\tplayer2\t2\t0.000002\t-0.000002\t"
            "999999999999.999999\t0\tGame, \"2\"\\n\tPlay\\'n GO");
}

TEST_F(NativeBlocks, ClearKeepsTheUpload) {
    const model::UploadId id = upload_of(2);
    NativeBlock block(id, 0);
    EXPECT_TRUE(block.encode().empty());
    block.append(batch_of(1, 1'000, 1));
    block.clear();
    block.append(batch_of(2, 2, 1));
    block.append(batch_of(6, 1, 1));
    EXPECT_EQ(block.rows(), 3U);
    insert(block);
    EXPECT_EQ(ask("SELECT groupArray(row_number) FROM (SELECT * FROM game_rounds "
                  "WHERE upload_id = {id:UUID} ORDER BY row_number)",
                  {{"id", to_string(id)}}),
              "[2,3,6]");
}

// The promise behind every rollup: a block is one block for the table and its views, whatever its
// size. Were it split, a cell would have several rows of a key, each with a part of the rounds.
TEST_F(NativeBlocks, ABlockOfManyCellsIsNeverSplit) {
    const model::UploadId id = upload_of(3);
    NativeBlock block(id, 0);
    constexpr size_t kCells = 48;  // 3.1 M rows, three times max_insert_block_size's default
    for (uint64_t cell = 0; cell < kCells; ++cell) {
        block.append(batch_of(cell * model::kCellRows + 1, model::kCellRows, 10));
    }
    insert(block);
    for (const char* table : {"hourly", "hourly_by_game", "game_hourly", "games"}) {
        EXPECT_EQ(ask(std::string("SELECT count() > 0, count() = uniqExact(cell, ") +
                          (std::string(table) == "games"         ? "game_id, provider, game_name"
                           : std::string(table) == "game_hourly" ? "game_id, hour"
                                                                 : "player_id, game_id, hour") +
                          "), sum(rounds), uniqExact(cell) FROM " + table +
                          " WHERE upload_id = {id:UUID}",
                      {{"id", to_string(id)}}),
                  "1\t1\t3145728\t48")
            << table;
    }
}

// What the sink sends: a block for each cell, gathered by ClickHouse into one part. A part's name
// is partition_firstblock_lastblock_level; one that no merge made begins and ends with the same
// block.
TEST_F(NativeBlocks, TheBlocksOfOneInsertBecomeOnePart) {
    const model::UploadId id = upload_of(7);
    NativeBlock block(id, 0);
    constexpr uint64_t kCells = 8;
    uint64_t cell = 0;
    std::vector<std::string_view> pieces;
    const auto next_body = [&]() -> Result<std::string_view> {
        if (pieces.empty() && cell < kCells) {
            block.clear();
            block.append(batch_of(cell * model::kCellRows + 1, model::kCellRows, 10));
            pieces = block.encode();
            ++cell;
        }
        if (pieces.empty()) {
            return std::string_view();
        }
        const std::string_view piece = pieces.front();
        pieces.erase(pieces.begin());
        return piece;
    };
    const auto done =
        Client(server->owner()).insert(insert_game_rounds_sql(), next_body, {}, insert_settings());
    ASSERT_TRUE(done) << done.error().message;
    for (const char* table : {"game_rounds", "hourly", "hourly_by_game", "game_hourly", "games"}) {
        const bool raw = std::string(table) == "game_rounds";
        EXPECT_EQ(ask(std::string("SELECT uniqExact(_part), min(splitByChar('_', _part)[2] = "
                                  "splitByChar('_', _part)[3]), ") +
                          (raw ? "count(), uniqExact(intDiv(row_number - 1, 65536))"
                               : "sum(rounds), uniqExact(cell)") +
                          " FROM " + table + " WHERE upload_id = {id:UUID}",
                      {{"id", to_string(id)}}),
                  "1\t1\t524288\t8")
            << table;
    }
}

// A client that is cut off in the middle of a block has given the whole cells before it, or
// nothing.
TEST_F(NativeBlocks, AHalfBlockIsNoPartOfACell) {
    const model::UploadId id = upload_of(8);
    NativeBlock whole(id, 0);
    NativeBlock half(id, 0);
    whole.append(batch_of(1, model::kCellRows, 10));
    half.append(batch_of(model::kCellRows + 1, model::kCellRows, 10));
    auto pieces = whole.encode();
    const auto cut = half.encode();
    pieces.insert(pieces.end(), cut.begin(), cut.end() - 1);
    EXPECT_FALSE(
        Client(server->owner()).insert(insert_game_rounds_sql(), pieces, {}, insert_settings()));
    EXPECT_EQ(ask("SELECT count() % 65536, max(row_number) <= 65536 FROM game_rounds "
                  "WHERE upload_id = {id:UUID}",
                  {{"id", to_string(id)}}),
              "0\t1");
}

TEST_F(NativeBlocks, AFileMaySpanThirtyYears) {
    const model::UploadId id = upload_of(4);
    NativeBlock block(id, 0);
    block.append(batch_of(1, 360, 30 * 24 * kHour));
    insert(block);
    EXPECT_EQ(ask("SELECT count(), uniqExact(toYYYYMM(created_timestamp)) > 300 FROM game_rounds "
                  "WHERE upload_id = {id:UUID}",
                  {{"id", to_string(id)}}),
              "360\t1");
    EXPECT_EQ(
        ask("SELECT sum(rounds) FROM hourly WHERE upload_id = {id:UUID}", {{"id", to_string(id)}}),
        "360");
}

TEST_F(NativeBlocks, ACellInsertedAgainOrInPartChangesNothing) {
    const model::UploadId id = upload_of(5);
    NativeBlock part(id, 0);
    part.append(batch_of(1, 100, 1'000));
    NativeBlock whole(id, 0);
    whole.append(batch_of(1, 5'000, 1'000));
    whole.append(batch_of(model::kCellRows + 1, 500, 1'000));
    // Whatever comes first, and however often.
    for (NativeBlock* block : {&part, &whole, &whole, &part}) {
        insert(*block);
    }
    const std::string sums =
        "SELECT sum(rounds), sum(real_amount_bet) FROM v_hourly "
        "WHERE (player_id, game_id, hour) IN (SELECT player_id, game_id, hour FROM hourly "
        "WHERE upload_id = {id:UUID})";
    EXPECT_EQ(ask(sums, {{"id", to_string(id)}}), "0\t0") << "not stored yet";
    ASSERT_EQ(ask("INSERT INTO uploads (upload_id, stored_version) VALUES ({id:UUID}, 1)",
                  {{"id", to_string(id)}}),
              "");
    // 1 + … + 5000, and 65537 + … + 66036, in millionths.
    EXPECT_EQ(ask(sums, {{"id", to_string(id)}}), "5500\t45.39575");
    for (const char* view : {"v_hourly_by_game", "v_game_hourly", "v_games"}) {
        EXPECT_EQ(ask(std::string("SELECT sum(rounds), sum(real_amount_bet) FROM ") + view),
                  "5500\t45.39575")
            << view;
    }
    ASSERT_EQ(ask("INSERT INTO uploads (upload_id, stored_version, voided_version, revision) "
                  "VALUES ({id:UUID}, 1, 2, 1)",
                  {{"id", to_string(id)}}),
              "");
    EXPECT_EQ(ask("SELECT count() FROM v_hourly"), "0") << "voided";
}

}  // namespace
}  // namespace rh::clickhouse
