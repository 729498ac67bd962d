// What ClickHouse answers to the statements of sql.h: rows in RowBinary, which are decoded as they
// come, and errors, put into the words of the API. One thread at a time.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "aggregates/query.h"
#include "aggregates/sql.h"
#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::aggregates {

// One row of RowBinary: fixed-width values little endian, strings after their length as a varint.
// A value that is not wholly there clears ok().
class BinaryRow {
  public:
    explicit BinaryRow(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    T fixed() {
        T value{};
        const std::string_view bytes = take(sizeof(T));
        if (ok_) {
            std::memcpy(&value, bytes.data(), sizeof(T));
        }
        return value;
    }
    std::string_view string();

    bool ok() const { return ok_; }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view take(uint64_t bytes) {
        if (bytes > rest_.size()) {
            ok_ = false;
            return {};
        }
        const std::string_view taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }

    std::string_view rest_;
    bool ok_ = true;
};

// The values of `fields`, in their order; the key's others are left as they are.
void read_key(BinaryRow& in, std::span<const KeyField> fields, Key& key);
// A key, rounds and the four sums.
void read_row(BinaryRow& in, std::span<const KeyField> fields, Row& row);

// The rows of one answer.
class BinaryRows {
  public:
    explicit BinaryRows(std::unique_ptr<clickhouse::ResponseStream> stream)
        : stream_(std::move(stream)) {}

    // Calls `decode` with what is here of the next row. False if that was not the whole row: what
    // was decoded is then to be thrown away, and fill() to be called.
    template <std::invocable<BinaryRow&> Decode>
    bool take(Decode decode) {
        if (taken_ == held_.size()) {
            return false;
        }
        BinaryRow row(std::string_view(held_).substr(taken_));
        decode(row);
        if (row.ok()) {
            taken_ = held_.size() - row.rest().size();
        }
        return row.ok();
    }
    // Waits for more of the answer. False at its end. Errors: as Reader::page().
    Result<bool> fill();

  private:
    std::unique_ptr<clickhouse::ResponseStream> stream_;
    std::string held_;
    size_t taken_ = 0;  // bytes of held_
};

Result<BinaryRows> ask(const clickhouse::Client& client, const Statement& statement);
// Of a stream that may not have begun.
Result<BinaryRows> rows_of(Result<std::unique_ptr<clickhouse::ResponseStream>> stream);

// The store lost or gained rows between two statements.
std::unexpected<Error> page_changed();

// Calls `each` with every whole row.
template <class Each>
Result<void> read_rows(Result<BinaryRows> rows, Each each) {
    while (rows) {
        while (rows->take(each)) {
        }
        RH_ASSIGN(const bool more, rows->fill());
        if (!more) {
            return {};
        }
    }
    return std::unexpected(std::move(rows).error());
}

}  // namespace rh::aggregates
