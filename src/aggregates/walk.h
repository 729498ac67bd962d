// The rows of one shard after a key, all of them, one by one in the query's order: from one
// statement (walk_rows) as long as it lasts. ClickHouse gives a statement a minute, and a reader
// that takes nothing half of that; whoever reads slowly needs longer. As the version is fixed, a
// statement can be left at any key and gone on with behind it. Memory does not depend on how many
// rows there are. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "aggregates/answers.h"
#include "aggregates/query.h"
#include "base/result.h"

namespace rh::aggregates {

class ShardWalk {
  public:
    // What is asked of the shard.
    struct Questions {
        // As walk_rows() has them.
        std::function<Result<BinaryRows>(const std::optional<Key>& after, uint64_t rows_max)> rows;
        // The first row after a key, added up.
        std::function<Result<std::optional<Row>>(const std::optional<Key>& after)> sum;
    };
    struct Limits {
        uint64_t rows_max = 500'000;   // of a statement; the reading user may have 1,000,000
        int64_t open_ms_max = 20'000;  // as long as a statement is read
    };

    ShardWalk(Questions questions, std::vector<KeyField> fields, std::optional<Key> after,
              Limits limits);
    ShardWalk(Questions questions, std::vector<KeyField> fields, std::optional<Key> after)
        : ShardWalk(std::move(questions), std::move(fields), std::move(after), Limits()) {}

    // The next row, valid until the next call; nullptr when there is none. Errors: as
    // Reader::page().
    Result<const Row*> next();

  private:
    Result<void> ask();
    Result<const Row*> give_sum();
    Result<const Row*> sum_by_the_shard();
    std::optional<Key> after() const { return given_any_ ? std::optional(given_.key) : begin_; }

    const Questions questions_;
    const std::vector<KeyField> fields_;
    const std::optional<Key> begin_;
    const Limits limits_;

    std::optional<BinaryRows> rows_;  // none: to be asked for
    int64_t asked_ms_ = 0;
    uint64_t taken_ = 0;     // of rows_
    bool advanced_ = false;  // a row was given since asked_ms_
    Row read_;
    Row sum_;  // of the rows of its key so far
    bool has_sum_ = false;
    Row given_;
    bool given_any_ = false;
    bool ended_ = false;
};

}  // namespace rh::aggregates
