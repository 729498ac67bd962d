// The engines of the tables that keep rows: plain ones, of which queries/ speaks and each server
// has its own copy, or their Replicated forms (clickhouse.engines=replicated), which the servers of
// a shard keep the same through a Keeper. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

enum class Engines : uint8_t { plain, replicated };

// A statement of queries/ as it is applied: one that makes a table of the MergeTree family makes it
// with such an engine; all others stay as they are.
std::string with_engines(std::string_view statement, Engines engines);
// What every statement of the owner needs with such engines.
const Settings& owner_settings(Engines engines);
// What every query of Distributed tables needs with such engines.
const Settings& reader_settings(Engines engines);

// To be asked before the DDL is applied. Errors: conflict other_engines if tables of queries/ are
// there with engines of the other kind; conflict no_replication if the server has not what
// Replicated ones need of its configuration.
Result<void> check_engines(const Client& owner, Engines engines);
// To be asked when the DDL is applied: error unavailable replica_read_only (retry) if tables of
// this server take no rows now.
Result<void> check_replicas(const Client& owner);
// What `applied` failed with, as conflict no_replication if it is for want of a Keeper.
Result<void> explained(const Client& owner, Result<void> applied);

}  // namespace rh::clickhouse
