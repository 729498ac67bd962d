#include "sink/level.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"

namespace rh::sink {
namespace {

// Equal for equal rows.
constexpr std::string_view kDigestSql =
    "SELECT count(), groupBitXor(sipHash64(*)) FROM uploads FINAL FORMAT TSV";

Result<void> copy(const clickhouse::Client& from, const clickhouse::Client& to) {
    RH_ASSIGN(const auto rows, from.stream("SELECT * FROM uploads FINAL FORMAT Native"));
    return to.insert("INSERT INTO uploads FORMAT Native", [&] { return rows->next(); }, {},
                     {{"async_insert", "0"}});
}

Result<std::vector<std::string>> digests(const clickhouse::Store& store) {
    std::vector<std::string> found;
    for (auto& digest :
         store.on_every_shard([&](size_t shard) { return store.owner(shard).query(kDigestSql); })) {
        RH_TRY(digest);
        found.push_back(std::move(*digest));
    }
    return found;
}

}  // namespace

// Rows of the same upload have revisions, of which the highest counts on every shard, so it does
// not matter who copies to whom, and how often.
Result<void> level_uploads(const clickhouse::Store& store) {
    if (store.shards() == 1) {
        return {};
    }
    RH_ASSIGN(const auto before, digests(store));
    if (std::ranges::count(before, before[0]) == std::ssize(before)) {
        return {};
    }
    for (size_t from = 0; from < store.shards(); ++from) {
        for (size_t to = 0; to < store.shards(); ++to) {
            if (before[from] != before[to]) {
                RH_TRY(copy(store.owner(from), store.owner(to)));
            }
        }
    }
    RH_ASSIGN(const auto after, digests(store));
    for (size_t shard = 0; shard < store.shards(); ++shard) {
        if (before[shard] != after[shard]) {
            log_event(
                LogLevel::warning,
                "a shard did not have all uploads and was given them; if it is not a new one, "
                "it has lost rows: reconcile the uploads",
                {{"shard", store.name(shard)}});
        }
    }
    return {};
}

}  // namespace rh::sink
