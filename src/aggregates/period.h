// The periods that rounds are summed by, as numbers that sort by time:
//   hour   seconds since 1970-01-01T00:00:00Z at its start
//   day    days since 1970-01-01 in the query's time zone
//   month  year * 100 + month in the query's time zone (202611)
//   total  0
// The same numbers are computed by the SQL of aggregates/sql.cc. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "aggregates/query.h"

namespace rh::aggregates {

// False for a number that names no period between 1969 and 2107.
bool valid_period(Granularity granularity, int64_t period);

// The first second of the period, and the first after it, in seconds since 1970 UTC.
int64_t period_begin_s(Granularity granularity, int offset_hours, int64_t period);
int64_t period_end_s(Granularity granularity, int offset_hours, int64_t period);

// "2019-10-22T08:00:00Z", "2019-10-22", "2019-10"; empty for total.
std::string period_text(Granularity granularity, int64_t period);
void append_period(std::string& out, Granularity granularity, int64_t period);

}  // namespace rh::aggregates
