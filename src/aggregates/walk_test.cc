#include "aggregates/walk.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/varint.h"

namespace rh::aggregates {
namespace {

Row row_of(std::string player, int64_t hour, uint64_t rounds, int64_t micros = 0) {
    return {{std::move(player), 7, hour * 3600}, rounds, {{{micros}, {0}, {-micros}, {1}}}};
}

template <class T>
void append_fixed(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::string binary(const Row& row) {
    std::string bytes;
    append_varint(bytes, row.key.player_id.size());
    bytes += row.key.player_id;
    append_fixed(bytes, row.key.game_id);
    append_fixed(bytes, row.key.period);
    append_fixed(bytes, row.rounds);
    for (const model::MoneySum& sum : row.sums) {
        append_fixed(bytes, sum.micros);
    }
    return bytes;
}

// Bytes in pieces, and how they end.
class FakeStream : public clickhouse::ResponseStream {
  public:
    FakeStream(std::string bytes, size_t piece_bytes, std::optional<Error> error)
        : bytes_(std::move(bytes)), piece_bytes_(piece_bytes), error_(std::move(error)) {}
    Result<std::string_view> next() override {
        const std::string_view piece = std::string_view(bytes_).substr(at_, piece_bytes_);
        at_ += piece.size();
        if (piece.empty() && error_) {
            return std::unexpected(*error_);
        }
        return piece;
    }

  private:
    std::string bytes_;
    size_t piece_bytes_;
    std::optional<Error> error_;
    size_t at_ = 0;
};

// A shard whose statements may break off.
struct FakeShard {
    std::vector<Row> rows;  // of the rollup, in order
    size_t piece_bytes = 100;
    std::optional<size_t> rows_before_error = {};
    Error error = {ErrorKind::unavailable, "clickhouse_query_limit", "It took a minute."};
    size_t statements = 0;
    size_t sums = 0;

    std::vector<Row> behind(const std::optional<Key>& after) const {
        const Query query;
        std::vector<Row> left;
        std::ranges::copy_if(rows, std::back_inserter(left), [&](const Row& row) {
            return !after || comes_before(query, key_fields(query), *after, row.key);
        });
        return left;
    }
    ShardWalk walk(ShardWalk::Limits limits = {}, std::optional<Key> after = {}) {
        return {{.rows =
                     [this](const std::optional<Key>& from, uint64_t rows_max) {
                         ++statements;
                         auto left = behind(from);
                         left.resize(std::min<size_t>(left.size(), rows_max));
                         const bool fails = rows_before_error && *rows_before_error < left.size();
                         left.resize(fails ? *rows_before_error : left.size());
                         std::string bytes;
                         for (const Row& row : left) {
                             bytes += binary(row);
                         }
                         return Result<BinaryRows>(BinaryRows(std::make_unique<FakeStream>(
                             bytes, piece_bytes, fails ? std::optional(error) : std::nullopt)));
                     },
                 .sum = [this](const std::optional<Key>& from) -> Result<std::optional<Row>> {
                     ++sums;
                     std::optional<Row> sum;
                     for (const Row& row : behind(from)) {
                         if (sum && sum->key == row.key) {
                             sum->add(row);
                         } else if (!sum) {
                             sum = row;
                         }
                     }
                     return sum;
                 }},
                key_fields(Query()),
                std::move(after),
                limits};
    }
};

// "player hour rounds micros …" of every row, or the error's code at the end.
std::string all_of(ShardWalk walk) {
    std::string text;
    while (true) {
        const auto row = walk.next();
        if (!row) {
            return text + row.error().code;
        }
        if (*row == nullptr) {
            return text;
        }
        text += (*row)->key.player_id + ' ' + std::to_string((*row)->key.period / 3600) + ' ' +
                std::to_string((*row)->rounds) + ' ' + model::to_string((*row)->sums[0]) + ' ' +
                model::to_string((*row)->sums[3]) + '\n';
    }
}

FakeShard three_keys() {
    return {{row_of("a", 1, 2, 500'000), row_of("a", 1, 3, 250'000), row_of("a", 2, 1),
             row_of("a player with a longer name than most", 1, 4, -1),
             row_of("a player with a longer name than most", 1, 5, -1),
             row_of("a player with a longer name than most", 1, 6, -1)}};
}
constexpr const char* kThreeKeys =
    "a 1 5 0.75 0.000002\n"
    "a 2 1 0 0.000001\n"
    "a player with a longer name than most 1 15 -0.000003 0.000003\n";

TEST(ShardWalk, AddsUpTheRowsOfAKeyHoweverTheyCome) {
    for (size_t piece_bytes = 1; piece_bytes < 700; ++piece_bytes) {
        FakeShard shard = three_keys();
        shard.piece_bytes = piece_bytes;
        EXPECT_EQ(all_of(shard.walk()), kThreeKeys) << piece_bytes;
        EXPECT_EQ(shard.statements, 1);
    }
    EXPECT_EQ(all_of(FakeShard().walk()), "");
}

TEST(ShardWalk, BeginsAfterAKey) {
    EXPECT_EQ(all_of(three_keys().walk({}, Key{"a", 7, 2 * 3600})),
              "a player with a longer name than most 1 15 -0.000003 0.000003\n");
}

TEST(ShardWalk, GoesOnBehindTheLastWholeKeyWhenAStatementMayNotGoOn) {
    for (const size_t rows : {4U, 5U}) {
        FakeShard shard = three_keys();
        shard.rows_before_error = rows;
        EXPECT_EQ(all_of(shard.walk()), kThreeKeys);
        EXPECT_EQ(shard.statements, 2) << rows;
    }
    FakeShard slow = three_keys();
    slow.rows.push_back(row_of("b", 1, 1));
    slow.piece_bytes = 80;
    EXPECT_EQ(all_of(slow.walk({.rows_max = 100, .open_ms_max = -1})),
              std::string(kThreeKeys) + "b 1 1 0 0.000001\n");
    EXPECT_EQ(slow.statements, 4);  // as old as can be after every key
}

TEST(ShardWalk, AnErrorThatNothingCanBeGoneOnFromIsTold) {
    FakeShard stuck = three_keys();
    stuck.rows.push_back(stuck.rows.back());
    stuck.rows_before_error = 3;  // no more than all but one of the last key's
    EXPECT_EQ(all_of(stuck.walk()), "a 1 5 0.75 0.000002\na 2 1 0 0.000001\nquery_too_large");
    FakeShard broken = three_keys();
    broken.rows_before_error = 4;
    broken.error = {ErrorKind::unavailable, "clickhouse_unavailable", "It is gone."};
    EXPECT_EQ(all_of(broken.walk()),
              "a 1 5 0.75 0.000002\na 2 1 0 0.000001\nclickhouse_unavailable");
    EXPECT_EQ(broken.statements, 1);
}

TEST(ShardWalk, ALimitOfRowsIsNoEnd) {
    for (uint64_t rows_max = 1; rows_max < 8; ++rows_max) {
        FakeShard shard = three_keys();
        EXPECT_EQ(all_of(shard.walk({.rows_max = rows_max, .open_ms_max = 20'000})), kThreeKeys)
            << rows_max;
        // Only a key with as many rows as a statement may give is left to the shard.
        EXPECT_EQ(shard.sums > 0, rows_max <= 3) << rows_max;
    }
}

TEST(ShardWalk, AnAnswerThatEndsInsideARowIsNone) {
    const auto rows = [](const std::optional<Key>&, uint64_t) -> Result<BinaryRows> {
        std::string bytes = binary(row_of("a", 1, 1));
        bytes.pop_back();
        return BinaryRows(std::make_unique<FakeStream>(bytes, 50, std::nullopt));
    };
    EXPECT_EQ(all_of(ShardWalk({.rows = rows, .sum = {}}, key_fields(Query()), {})),
              "clickhouse_error");
}

}  // namespace
}  // namespace rh::aggregates
