// Files of a provider that overlap: stored uploads with rows in the same games and hours as a new
// one. Often right (two shifts, two brands), sometimes the same rounds sent twice in another file:
// a warning with counts, for a person to judge. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "uploads/upload.h"

namespace rh::sink {

// One warning for each upload visible at `version` that shares games and hours with `upload`,
// largest first, at most kOverlapsMax; an upload that `upload` replaces is expected to overlap and
// left out.
inline constexpr int kOverlapsMax = 20;
Result<std::vector<uploads::Warning>> overlaps(const clickhouse::Store& store,
                                               const uploads::Upload& upload, uint64_t version);

}  // namespace rh::sink
