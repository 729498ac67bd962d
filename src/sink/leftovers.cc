#include "sink/leftovers.h"

#include <set>
#include <string_view>

#include <fmt/format.h>

#include "base/random.h"
#include "base/split.h"
#include "sink/upload_ids.h"

namespace rh::sink {
namespace {

std::string query_id_prefix(const model::UploadId& id) {
    return fmt::format("insert-{}-", model::to_string(id));
}

Result<void> stop_removals_on(const clickhouse::Client& owner, const model::UploadId& id) {
    constexpr std::string_view kWhich =
        "database = currentDatabase() AND NOT is_done AND position(command, {id:String}) > 0";
    const clickhouse::Parameters parameters = {{"id", model::to_string(id)}};
    RH_ASSIGN(const std::string tables,
              owner.query(fmt::format("SELECT DISTINCT table FROM system.mutations WHERE {} FORMAT "
                                      "TSV",
                                      kWhich),
                          parameters));
    if (tables.empty()) {
        return {};
    }
    RH_TRY(owner.query(fmt::format("KILL MUTATION WHERE {}", kWhich), parameters));
    // A part that a removal has in its hands may still be replaced. One that removes nothing comes
    // to that part only after it.
    for (const std::string_view table : lines_of(tables)) {
        RH_TRY(owner.query(fmt::format("DELETE FROM {} WHERE upload_id = {{id:UUID}} AND 0", table),
                           parameters, {{"lightweight_deletes_sync", "2"}}));
    }
    return {};
}

}  // namespace

std::string insert_query_id(const model::UploadId& id) {
    return query_id_prefix(id) + random_hex(2);
}

Result<void> stop_inserts(const clickhouse::Client& owner, const model::UploadId& id) {
    RH_TRY(owner.query("KILL QUERY WHERE startsWith(query_id, {prefix:String}) SYNC",
                       {{"prefix", query_id_prefix(id)}}));
    return {};
}

Result<void> stop_removals(const clickhouse::Store& store, const model::UploadId& id) {
    return store.do_on_every_shard(
        [&](size_t shard) { return stop_removals_on(store.owner(shard), id); });
}

Result<std::vector<model::UploadId>> uncommitted_uploads(const clickhouse::Store& store) {
    std::set<model::UploadId> found;
    for (const auto& on_shard : store.on_every_shard([&](size_t shard) {
             return read_upload_ids(store.owner(shard),
                                    fmt::format("SELECT DISTINCT upload_id FROM game_rounds "
                                                "WHERE upload_id NOT IN ({})",
                                                kCommittedUploads),
                                    {{"max_threads", "1"}});
         })) {
        RH_TRY(on_shard);
        found.insert(on_shard->begin(), on_shard->end());
    }
    return std::vector<model::UploadId>(found.begin(), found.end());
}

Result<bool> has_uncommitted_rows(const clickhouse::Store& store, const model::UploadId& id) {
    bool found = false;
    for (const auto& on_shard : store.on_every_shard([&](size_t shard) {
             return store.owner(shard).query(
                 fmt::format("SELECT 1 FROM game_rounds WHERE upload_id = {{id:UUID}} "
                             "AND upload_id NOT IN ({}) LIMIT 1 FORMAT TSV",
                             kCommittedUploads),
                 {{"id", model::to_string(id)}});
         })) {
        RH_TRY(on_shard);
        found = found || !on_shard->empty();
    }
    return found;
}

}  // namespace rh::sink
