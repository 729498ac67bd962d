// `uploads` has all its rows on every shard, or a shard does not count what it should. One that was
// added later, or has lost them, is given what it lacks. One thread; at the start, before anything
// is stored.
#pragma once

#include "base/result.h"
#include "clickhouse/store.h"

namespace rh::sink {

// With one shard it does nothing. A shard that lacked rows is named in the log: if it is not a new
// one, it has lost rows of other tables as well.
Result<void> level_uploads(const clickhouse::Store& store);

}  // namespace rh::sink
