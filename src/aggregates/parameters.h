// Reads the query parameters of GET /v1/aggregates. Every one that is wrong is refused with a code
// of its own and a sentence that names what is allowed. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregates/query.h"
#include "base/result.h"

namespace rh::aggregates {

inline constexpr uint64_t kLimitDefault = 100;
inline constexpr uint64_t kLimitMax = 10'000;
inline constexpr size_t kPlayerIdsMax = 500;
inline constexpr size_t kGameIdsMax = 500;
inline constexpr size_t kPlayerIdBytesMax = 512;  // 128 characters of UTF-8

struct Asked {
    Query query;
    std::optional<uint64_t> limit;  // none: kLimitDefault, or everything where that is streamed
    std::string cursor;             // as sent; empty: the first page
    bool exact_count = false;
    bool csv_guard = true;
    bool partial = false;  // without the shards that do not answer
};

// The names a request may use, as http::Route wants them (`*`: repeatable).
std::vector<std::string> parameter_names();

// `parameters` are decoded names and values in the order sent; names that are not of this list are
// left to others. Errors (all invalid_request): bad_player_id, bad_game_id, bad_date, bad_range,
// unknown_granularity, bad_timezone, bad_version, unknown_group_by, unknown_order,
// unsupported_order, bad_limit, bad_cursor, bad_count, bad_csv_guard,
// bad_partial.
Result<Asked> parse_parameters(std::span<const std::pair<std::string, std::string>> parameters);

}  // namespace rh::aggregates
