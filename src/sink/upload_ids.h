// Ids of uploads as ClickHouse's tables have them. Any thread.
#pragma once

#include <set>
#include <string_view>

#include "base/result.h"
#include "clickhouse/client.h"
#include "model/upload_id.h"

namespace rh::sink {

// A query: the uploads of one shard that a version counts or counted. A number that was reserved
// and given up again leaves a row that no version reaches.
inline constexpr std::string_view kCommittedUploads =
    "SELECT upload_id FROM roundhouse.uploads FINAL WHERE stored_version != 18446744073709551615";

// Of a query that gives one id a row, without FORMAT. internal clickhouse_error for what is no id.
Result<std::set<model::UploadId>> read_upload_ids(const clickhouse::Client& client,
                                                  std::string_view sql,
                                                  const clickhouse::Settings& settings = {});

}  // namespace rh::sink
