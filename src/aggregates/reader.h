// Answers a Query from the store, by pages or all of it. Each shard gives its own page, from its
// own tables, or all of its rows, and they are merged here: so each shard stops after a page, which
// it cannot when one server adds up for all, and it is known which one did not answer. A Reader has
// no state of its own: any thread, as many at once as the clients allow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "aggregates/query.h"
#include "base/result.h"
#include "clickhouse/store.h"

namespace rh::aggregates {

struct Page {
    std::vector<Row> rows;
    bool more = false;            // there is a page after rows.back()
    std::vector<size_t> missing;  // shards whose rows are not in it, ascending
};

// Which shards are read.
struct Reach {
    std::vector<size_t> without;  // not these
    bool partial = false;         // and none that does not answer, as long as one does
};

// All rows of an answer, one by one in its order; memory does not depend on how many there are. One
// thread at a time.
class Rows {
  public:
    explicit Rows(std::vector<size_t> missing) : missing_(std::move(missing)) {}
    virtual ~Rows() = default;
    // The next row, valid until the next call; nullptr after the last. Errors: as Reader::page().
    virtual Result<const Row*> next() = 0;
    const std::vector<size_t>& missing() const { return missing_; }  // as Page::missing

  private:
    const std::vector<size_t> missing_;
};

class Reader {
  public:
    // Asks as the reading user, whose limits bound what one statement may cost. `store` must live
    // as long as the Reader and its Rows.
    explicit Reader(const clickhouse::Store& store) : store_(store) {}

    // At most `rows_max` rows after `after` (none: from the first) at `version`. A query without
    // key fields (group_by=none, granularity=total) has exactly one row, of zeros if nothing
    // counts. Errors: invalid_content query_too_large (over the user's limits), unavailable
    // clickhouse_unavailable or shard_unavailable, internal page_changed (the store lost or gained
    // rows meanwhile).
    Result<Page> page(const Query& query, uint64_t version, const std::optional<Key>& after,
                      uint64_t rows_max, const Reach& reach = {}) const;
    // All rows after `after`. Every shard has answered, or is missing, when this returns; what is
    // missing then stays so, and a shard that fails later is an error. `query` must live as long as
    // the Rows. Errors: as page().
    Result<std::unique_ptr<Rows>> rows(const Query& query, uint64_t version,
                                       const std::optional<Key>& after, bool partial) const;
    // Rows of all pages of all shards together. Errors: as page().
    Result<uint64_t> count(const Query& query, uint64_t version) const;

  private:
    const clickhouse::Store& store_;
};

}  // namespace rh::aggregates
