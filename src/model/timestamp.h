// Timestamps are milliseconds since 1970-01-01T00:00:00Z (int64). RFC 3339 in UTC is the only form
// the API prints; the wider forms of uploaded files are read in csv/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rh::model {

inline constexpr int64_t kMsPerMinute = 60'000;
inline constexpr int64_t kMsPerHour = 60 * kMsPerMinute;
inline constexpr int64_t kMsPerDay = 24 * kMsPerHour;

int64_t days_from_civil(int year, int month,
                        int day);  // proleptic Gregorian, days since 1970-01-01
bool valid_civil(int year, int month, int day);

// "2019-10-22T08:20:41Z", with ".123" only if there are milliseconds.
std::string format_rfc3339(int64_t ms);
// RFC 3339 with `Z` or an offset ("2019-10-22T08:20:41.5+02:00"), or a plain date ("2019-10-22",
// midnight UTC): what the API takes as `from` and `to`. Finer than a millisecond is cut.
std::optional<int64_t> parse_rfc3339(std::string_view text);

}  // namespace rh::model
