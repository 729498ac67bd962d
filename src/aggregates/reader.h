// Answers a Query page by page from ClickHouse. A Reader has no state of its own: any thread, as
// many at once as the client allows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "aggregates/query.h"
#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::aggregates {

struct Page {
    std::vector<Row> rows;
    bool more = false;  // there is a page after rows.back()
};

class Reader {
  public:
    // `client` is of the reading user, whose limits bound what one page may cost; it must live as
    // long as the Reader.
    explicit Reader(const clickhouse::Client& client) : client_(client) {}

    // At most `rows_max` rows after `after` (none: from the first) at `version`. A query without
    // key fields (group_by=none, granularity=total) has exactly one row, of zeros if nothing
    // counts. Errors: invalid_content query_too_large (over the user's limits), unavailable
    // clickhouse_unavailable, internal page_changed (the store lost or gained rows meanwhile).
    Result<Page> page(const Query& query, uint64_t version, const std::optional<Key>& after,
                      uint64_t rows_max) const;
    // Rows of all pages together. Errors: as page().
    Result<uint64_t> count(const Query& query, uint64_t version) const;

  private:
    const clickhouse::Client& client_;
};

}  // namespace rh::aggregates
