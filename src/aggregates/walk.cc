#include "aggregates/walk.h"

#include <utility>

#include "base/clock.h"

namespace rh::aggregates {

ShardWalk::ShardWalk(Questions questions, std::vector<KeyField> fields, std::optional<Key> after,
                     Limits limits)
    : questions_(std::move(questions)),
      fields_(std::move(fields)),
      begin_(std::move(after)),
      limits_(limits) {}

Result<const Row*> ShardWalk::next() {
    while (!ended_) {
        if (!rows_) {
            RH_TRY(ask());
        }
        if (rows_->take([this](BinaryRow& in) { read_row(in, fields_, read_); })) {
            ++taken_;
            if (has_sum_ && sum_.key == read_.key) {
                sum_.add(read_);
                continue;
            }
            const bool whole = std::exchange(has_sum_, true);
            if (whole) {
                std::swap(given_, sum_);
            }
            std::swap(sum_, read_);
            if (whole) {
                given_any_ = advanced_ = true;
                return &given_;
            }
            continue;
        }
        // A statement that has led to no row yet would lead to none the next time either.
        if (advanced_ && monotonic_ms() - asked_ms_ > limits_.open_ms_max) {
            rows_.reset();
            continue;
        }
        const auto more = rows_->fill();
        if (!more && (!advanced_ || more.error().code != "query_too_large")) {
            return std::unexpected(more.error());
        }
        if (more && *more) {
            continue;
        }
        if (more && taken_ < limits_.rows_max) {
            return give_sum();
        }
        rows_.reset();
        if (!advanced_) {
            return sum_by_the_shard();
        }
    }
    return nullptr;
}

Result<void> ShardWalk::ask() {
    asked_ms_ = monotonic_ms();
    taken_ = 0;
    advanced_ = has_sum_ = false;
    RH_ASSIGN(rows_, questions_.rows(after(), limits_.rows_max));
    return {};
}

Result<const Row*> ShardWalk::give_sum() {
    ended_ = true;
    rows_.reset();
    if (!has_sum_) {
        return nullptr;
    }
    std::swap(given_, sum_);
    return &given_;
}

// Of a key that has more rows than a statement may give.
Result<const Row*> ShardWalk::sum_by_the_shard() {
    RH_ASSIGN(std::optional<Row> row, questions_.sum(after()));
    if (!row) {
        return page_changed();
    }
    given_ = std::move(*row);
    given_any_ = true;
    return &given_;
}

}  // namespace rh::aggregates
