// The rollups of one upload, made from its rows in game_rounds when all of them are there: what the
// views do elsewhere, where ClickHouse consumes the topic itself. A torn or repeated block counts
// once by FINAL, and making them again writes the same rows again. Any thread.
#pragma once

#include "base/result.h"
#include "clickhouse/store.h"
#include "uploads/upload.h"

namespace rh::sink {

// Goes through the row numbers some cells at a time, so memory does not grow with the file.
Result<void> make_rollups(const clickhouse::Store& store, const uploads::Upload& upload);

}  // namespace rh::sink
