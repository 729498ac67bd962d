// The SQL of the aggregates. Values travel as typed parameters, never as text in the SQL. Only
// rollup tables and `uploads` are read, never game_rounds.
//
// A page of days, months or totals takes two statements: find_page_end walks the keys in the order
// of a rollup and stops after one page, then sum_page adds up what lies between the page's ends.
// Both say where a page begins and ends by plain comparisons of the rollup's key columns, nested as
// (a > x OR (a = x AND (b > y OR …))), which the primary index can use; a comparison of tuples
// cannot.
//
// walk_rows is for pages of hours, and for those who want all pages: the rollup's rows themselves,
// which come in its order as they are read. Rows of one key follow each other, and are left to the
// caller to add up: ClickHouse would sort its sums once more, all of them, before the first one
// comes.
//
// sum_page and walk_rows read with FINAL: of the rows of one full key (…, upload_id, part, cell)
// the one with most rounds counts, so a cell that was inserted twice counts once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aggregates/query.h"
#include "clickhouse/client.h"

namespace rh::aggregates {

struct Statement {
    std::string sql;
    clickhouse::Parameters parameters;
    clickhouse::Settings settings;
};

// The rollup that answers the query with the least reading.
std::string_view rollup_of(const Query& query);

// Whether that rollup is sorted by the query's order, so that walking its keys stops after a page.
// The order then ends with the period, if there is one, the earliest first. Where it is not,
// everything that matches is read for each page: find_page_end would only read it twice.
bool is_walkable(const Query& query);

// For walkable queries: keys after `after` in the query's order, of rows that count at `version`:
// number `rows_max` (the page's last) and the one after it, as far as they exist. Format RowBinary:
// the fields of key_fields() in order; player String, game UInt64, period Int64.
Statement find_page_end(const Query& query, uint64_t version, const std::optional<Key>& after,
                        uint64_t rows_max);

// The rows after `after` up to and with `last`, in the query's order, at most `rows_max`. Format
// RowBinary: the key's fields as above, rounds UInt64, four sums Decimal(38, 6).
Statement sum_page(const Query& query, uint64_t version, const std::optional<Key>& after,
                   const std::optional<Key>& last, uint64_t rows_max);

// For walkable queries: the rollup's rows after `after`, by the query's order, at most `rows_max`.
// Format RowBinary: as sum_page().
Statement walk_rows(const Query& query, uint64_t version, const std::optional<Key>& after,
                    uint64_t rows_max);

// How many rows the whole answer has. Format RowBinary: UInt64. The query must have key fields.
// `table` is the rollup, or the table of that rollup's rows on all shards.
Statement count_rows(const Query& query, uint64_t version, std::string_view table);

}  // namespace rh::aggregates
