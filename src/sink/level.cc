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

// What a shard knows of the changes up to a version, in ClickHouse's words; up to the last one that
// it knows, if none is given. One that was away, or is new, lacks only later ones.
struct Known {
    std::string version;
    std::string changes;
};

Result<Known> known_until(const clickhouse::Client& owner, const std::string& version) {
    RH_ASSIGN(const std::string line,
              owner.query("WITH if(empty({version:String}), (SELECT max(revision) FROM uploads), "
                          "toUInt64OrZero({version:String})) AS last "
                          "SELECT last, countIf(stored_version <= last), "
                          "countIf(voided_version <= last) FROM uploads FINAL FORMAT TSV",
                          {{"version", version}}));
    const size_t end = line.find('\t');
    return Known{.version = line.substr(0, end),
                 .changes = line.substr(std::min(end, line.size()))};
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
    std::vector<Known> known;
    for (size_t shard = 0; shard < store.shards(); ++shard) {
        RH_ASSIGN(auto of_shard, known_until(store.owner(shard), ""));
        known.push_back(std::move(of_shard));
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
        if (before[shard] == after[shard]) {
            continue;
        }
        RH_ASSIGN(const auto now, known_until(store.owner(shard), known[shard].version));
        if (known[shard].version == "0") {
            log_event(LogLevel::warning,
                      "a shard had no uploads and was given them; if it is not a new one, it has "
                      "lost its rows: reconcile the uploads",
                      {{"shard", store.name(shard)}});
        } else if (now.changes == known[shard].changes) {
            log_event(LogLevel::info, "a shard was told what has changed while it was away",
                      {{"shard", store.name(shard)}});
        } else {
            log_event(LogLevel::warning,
                      "a shard lacked some uploads and was given them, so it has lost rows: "
                      "reconcile the uploads",
                      {{"shard", store.name(shard)}});
        }
    }
    return {};
}

}  // namespace rh::sink
