// The unit that flows from the parser to the sink: up to kCellRows accepted rows, by column, in
// memory the batch owns. All rows of a batch belong to one upload and to one cell (kCellRows
// consecutive row numbers), so the log and the sink can treat a batch as a cell or a part of one. A
// batch is used by one thread at a time; clear() keeps its memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace rh::model {

inline constexpr uint64_t kCellRows = 65'536;

// Row numbers count the records of a file from 1, refused ones included; header and blank lines
// not.
constexpr uint64_t cell_of(uint64_t row_number) { return (row_number - 1) / kCellRows; }

// The four amounts, in this order everywhere: arrays of 4 are indexed by it.
enum class Amount : uint8_t {
    real_amount_bet,
    bonus_amount_bet,
    real_amount_win,
    bonus_amount_win
};
inline constexpr std::array<std::string_view, 4> kAmountNames = {
    "real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"};

// The ten columns of the CSV, in the order of the Avro schema and of `game_rounds`.
enum class Column : uint8_t {
    created_timestamp,
    game_instance_id,
    user_id,
    game_id,
    real_amount_bet,
    bonus_amount_bet,
    real_amount_win,
    bonus_amount_win,
    game_name,
    provider,
};
inline constexpr std::array<std::string_view, 10> kColumnNames = {
    "created_timestamp", "game_instance_id", "user_id",          "game_id",   "real_amount_bet",
    "bonus_amount_bet",  "real_amount_win",  "bonus_amount_win", "game_name", "provider"};

// A vector whose new values are not set by resize(): whoever makes room writes them.
template <class T>
struct Unset : std::allocator<T> {
    template <class U>
    struct rebind {  // NOLINT(readability-identifier-naming): the standard's name
        using other = Unset<U>;
    };
    template <class U>
    void construct(U* at) noexcept {
        ::new (static_cast<void*>(at)) U;
    }
    template <class U, class... Given>
    void construct(U* at, Given&&... given) {
        ::new (static_cast<void*>(at)) U(std::forward<Given>(given)...);
    }
};
template <class T>
using Values = std::vector<T, Unset<T>>;

// Strings of a column laid end to end; `ends[i]` is one past the last byte of string i.
struct StringColumn {
    Values<char> chars;
    Values<uint32_t> ends;

    size_t size() const { return ends.size(); }
    std::string_view operator[](size_t i) const {
        const uint32_t begin = i == 0 ? 0 : ends[i - 1];
        return {chars.data() + begin, ends[i] - begin};
    }
    void push_back(std::string_view text) {
        chars.insert(chars.end(), text.begin(), text.end());
        ends.push_back(static_cast<uint32_t>(chars.size()));
    }
    void clear() {
        chars.clear();
        ends.clear();
    }
};

struct RowBatch {
    Values<uint64_t> row_number;  // ascending, all in one cell
    Values<int64_t> created_ms;   // UTC
    Values<int64_t> game_instance_id;
    StringColumn user_id;
    Values<int64_t> game_id;
    std::array<Values<int64_t>, 4> amount;  // micros, indexed by Amount
    StringColumn game_name;
    StringColumn provider;

    size_t size() const { return row_number.size(); }
    bool empty() const { return row_number.empty(); }
    void clear();
    // Every column but the characters of texts gets room for so many rows; new values are unset.
    void resize(size_t rows);
    // Drops the rows from `rows` on, with their texts.
    void truncate(size_t rows);
};

}  // namespace rh::model
