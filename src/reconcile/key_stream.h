// One side of the comparison: rounds, sums and row marks of each (player, game, hour), in that
// order, read from ClickHouse's RowBinary format piece by piece. One thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/totals.h"

namespace rh::reconcile {

struct Key {
    std::string player;
    uint64_t game = 0;
    uint32_t hour = 0;  // hours since 1970-01-01T00:00Z
    auto operator<=>(const Key&) const = default;
    bool same_game(const Key& other) const { return player == other.player && game == other.game; }
};

// What tells two rounds of a key apart: a hash of every column but created_timestamp, and the
// millisecond within the hour. Two rounds with equal marks in equal hours are equal in all columns.
struct RowMark {
    uint64_t content = 0;
    uint32_t ms = 0;
    auto operator<=>(const RowMark&) const = default;
};

struct Example {
    uint64_t row = 0;
    std::string text;
};

struct KeyRow {
    // 0: a key. The others come after all keys, with an empty key, from the engine only: counts of
    // rows that are not valid (with examples), that the scope leaves out, that were refused and are
    // not valid, and that were refused and are valid (with examples; the keys have them too).
    enum class Kind : uint8_t { key, invalid, out_of_scope, refused, refused_valid };
    Kind kind = Kind::key;
    Key key;
    model::Totals figures;
    std::vector<RowMark> marks;  // in no order
    std::vector<Example> examples;
    model::Totals others;  // rows of the key that the scope leaves out
    std::vector<uint64_t> digests;
};

// Pieces of a byte stream; empty at its end.
using Pieces = std::function<Result<std::string_view>()>;

// Which columns a query sends, in this order: [kind UInt8], player String, game UInt64, hour
// UInt32, rounds UInt64, 4 × Decimal(38,6), [marks Array(Tuple(UInt64, UInt32))], [examples
// Array(Tuple(UInt64, String))], [others: UInt64, 4 × Decimal(38,6)], digests × UInt64.
struct Columns {
    bool kind = false;
    bool marks = false;
    bool examples = false;
    bool others = false;
    size_t digests = 0;
};

class KeyStream {
  public:
    KeyStream(Columns columns, Pieces pieces) : columns_(columns), pieces_(std::move(pieces)) {}
    // Fills `row`; false at the end. Error internal bad_stream: it ends inside a row, or its keys
    // are not in ascending order.
    Result<bool> next(KeyRow& row);

  private:
    Result<bool> need(size_t bytes);  // false: the stream ends before the first of them
    Result<void> read(void* to, size_t bytes);
    Result<uint64_t> read_length();
    Result<void> read_string(std::string& to);
    Result<void> read_totals(model::Totals& to);
    Result<void> read_columns(KeyRow& row);

    Columns columns_;
    Pieces pieces_;
    std::string rest_;       // bytes that a piece left over
    std::string_view view_;  // not yet read
    bool ended_ = false;
    bool begun_ = false;
    Key last_;
};

}  // namespace rh::reconcile
