#include "sink/rollups.h"

#include <algorithm>
#include <string>

#include "base/kill_point.h"
#include "clickhouse/consumer_tables.h"
#include "model/row_batch.h"
#include "model/upload_id.h"
#include "sink/leftovers.h"

namespace rh::sink {
namespace {

constexpr uint64_t kRowsAtOnce = 32 * model::kCellRows;

}  // namespace

Result<void> make_rollups(const clickhouse::Store& store, const uploads::Upload& upload) {
    const auto inserts = clickhouse::rollup_inserts();
    return store.do_on_every_shard([&](size_t shard) -> Result<void> {
        for (uint64_t first = 1; first <= upload.rows.read; first += kRowsAtOnce) {
            const uint64_t last = std::min(first + kRowsAtOnce - 1, upload.rows.read);
            for (const std::string& sql : inserts) {
                RH_TRY(store.owner(shard).query(sql,
                                                {{"id", model::to_string(upload.id)},
                                                 {"first", std::to_string(first)},
                                                 {"last", std::to_string(last)}},
                                                {{"max_partitions_per_insert_block", "0"},
                                                 {"query_id", insert_query_id(upload.id)}}));
                kill_point("kafka_between_rollups");
            }
        }
        return {};
    });
}

}  // namespace rh::sink
