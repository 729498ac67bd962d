// Files of a provider that overlap: stored uploads with rows in the same games and hours as a new
// one. Often right (two shifts, two brands), sometimes the same rounds sent twice in another file:
// a warning with counts, for a person to judge. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "clickhouse/store.h"
#include "model/game_hour.h"
#include "model/upload_id.h"
#include "uploads/upload.h"

namespace rh::sink {

inline constexpr size_t kOverlapsMax = 20;

// One warning for each upload visible at `version` that shares games and hours with `upload`,
// largest first, at most kOverlapsMax; an upload that `upload` replaces is expected to overlap and
// left out.
Result<std::vector<uploads::Warning>> overlaps(const clickhouse::Store& store,
                                               const uploads::Upload& upload, uint64_t version);

// The same for the games and hours (ascending) of a file that is not stored. `but` are left out:
// what the file would be itself, and what it would replace. Waits no longer than about 10 s for a
// ClickHouse that does not answer. Errors: the client's.
Result<std::vector<uploads::Warning>> overlaps_of_file(const clickhouse::Store& store,
                                                       std::span<const model::GameHour> game_hours,
                                                       const std::array<model::UploadId, 2>& but,
                                                       uint64_t version);

}  // namespace rh::sink
