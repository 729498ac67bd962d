// Wall-clock time in milliseconds since 1970-01-01 UTC, and its RFC 3339 form.
#pragma once

#include <cstdint>

namespace rh {

int64_t now_ms();        // wall clock, for records that people read
int64_t monotonic_ms();  // for deadlines

}  // namespace rh
