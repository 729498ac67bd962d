// The SQL by which the engine reads a CSV of game rounds: every column as text, judged and parsed
// by ClickHouse's own functions, then summed by player, game and hour. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reconcile/row_hash.h"

namespace rh::reconcile {

// What a reconciliation looks at. Empty or absent: no limit.
struct Scope {
    std::optional<int64_t> from_ms, to_ms;  // whole hours, half-open
    std::vector<uint64_t> games;
    std::vector<std::string> providers;
    bool empty() const { return !from_ms && !to_ms && games.empty() && providers.empty(); }
};

struct CsvRules {
    char delimiter = ',';
    int32_t timezone_offset_minutes = 0;  // of timestamps without an offset of their own
    bool allow_negative = false;
    bool empty_amount_is_invalid = false;
};

// Columns{kind, marks, examples} as RowBinary into `out_file`: the keys of all valid rows, refused
// ones too, then the counts of KeyRow::Kind.
std::string keys_sql(const CsvRules& rules, const Scope& scope, const HashKey& key,
                     const std::string& out_file);
// Columns{kind, examples, digests = 1} as RowBinary into `out_file`: the same with all keys as one
// of no player, no game and no hour, and the digest of their rows in place of marks.
std::string digest_sql(const CsvRules& rules, const Scope& scope, const HashKey& key,
                       const std::string& out_file);

// One line of JSON into `out_file`: {"rows","from_ms","to_ms","untimed","providers":[…],"unnamed"}:
// valid rows; the hours, whole and half-open, of every row whose time can be read, and how many
// others there are; the same of providers, of which there are at most kProvidersMax + 1.
std::string extent_sql(const CsvRules& rules, const std::string& out_file);
inline constexpr size_t kProvidersMax = 1000;
// Of all names of a scope: the store is asked for them in a URL, which may have 1 MiB.
inline constexpr size_t kProviderNamesBytesMax = 256 * 1024;

// 'text' with quotes and backslashes escaped. For values this program made or a person sent, where
// the engine takes no parameters.
std::string sql_literal(std::string_view text);

}  // namespace rh::reconcile
