// Answers a Query page by page from the store. Each shard gives its own page, from its own tables,
// and the pages are merged here: so each shard stops after a page, which it cannot when one server
// adds up for all, and it is known which one did not answer. A Reader has no state of its own: any
// thread, as many at once as the clients allow.
#pragma once

#include <cstdint>
#include <optional>
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

class Reader {
  public:
    // Asks as the reading user, whose limits bound what one page may cost. `store` must live as
    // long as the Reader.
    explicit Reader(const clickhouse::Store& store) : store_(store) {}

    // At most `rows_max` rows after `after` (none: from the first) at `version`. A query without
    // key fields (group_by=none, granularity=total) has exactly one row, of zeros if nothing
    // counts. Errors: invalid_content query_too_large (over the user's limits), unavailable
    // clickhouse_unavailable or shard_unavailable, internal page_changed (the store lost or gained
    // rows meanwhile).
    Result<Page> page(const Query& query, uint64_t version, const std::optional<Key>& after,
                      uint64_t rows_max, const Reach& reach = {}) const;
    // Rows of all pages of all shards together. Errors: as page().
    Result<uint64_t> count(const Query& query, uint64_t version) const;

  private:
    const clickhouse::Store& store_;
};

}  // namespace rh::aggregates
