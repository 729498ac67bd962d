#include "sink/audit.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "base/split.h"
#include "clickhouse/migrate.h"
#include "model/money.h"
#include "model/timestamp.h"
#include "sink/leftovers.h"
#include "sink/upload_ids.h"

namespace rh::sink {
namespace {

// Rollups are found by what makes a table one, so a new rollup is audited from its first day; a
// table that somebody else made in the same database, a copy of a rollup say, is none.
constexpr std::string_view kRollupsSql =
    "SELECT name, sorting_key FROM system.tables "
    "WHERE database = currentDatabase() AND engine LIKE '%ReplacingMergeTree' "
    "AND name IN {ours:Array(String)} AND name IN (SELECT table FROM system.columns WHERE database "
    "= currentDatabase() AND name = "
    "'cell') "
    "ORDER BY name FORMAT TSV";

constexpr std::string_view kRawSql =
    "SELECT count(), sum(real_amount_bet), sum(bonus_amount_bet), sum(real_amount_win), "
    "sum(bonus_amount_win) FROM game_rounds FINAL WHERE upload_id = {id:UUID} FORMAT TSV";

// A spill to disk keeps the memory of an upload of any size bounded.
const clickhouse::Settings kAuditSettings = {{"max_bytes_before_external_group_by", "2000000000"},
                                             {"max_threads", "2"}};

struct Rollup {
    std::string name;
    std::string key;
};

Result<std::vector<Rollup>> rollups(const clickhouse::Client& owner) {
    RH_ASSIGN(
        const std::string text,
        owner.query(kRollupsSql,
                    {{"ours", clickhouse::array_parameter(clickhouse::tables_of_migration())}}));
    std::vector<Rollup> found;
    for (const std::string_view line : lines_of(text)) {
        if (const auto fields = split(line, '\t'); fields.size() == 2) {
            found.push_back({std::string(fields[0]), std::string(fields[1])});
        }
    }
    if (found.empty()) {
        return fail(ErrorKind::internal, "rollups_missing",
                    "ClickHouse has no rollup tables; run `roundhouse migrate`.");
    }
    return found;
}

// Names and keys come from ClickHouse's own catalogue, which only this program's DDL fills.
std::string rollup_sql(const Rollup& rollup) {
    const bool by_hour = rollup.key.find("hour") != std::string::npos;
    const std::string_view range =
        by_hour ? "AND hour >= toStartOfMonth(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) "
                  "AND toStartOfMonth(hour) <= toStartOfMonth(fromUnixTimestamp64Milli({to:Int64}, "
                  "'UTC')) "
                : "";
    return fmt::format(
        "SELECT sum(rounds), sum(real_amount_bet), sum(bonus_amount_bet), sum(real_amount_win), "
        "sum(bonus_amount_win) FROM {} FINAL WHERE upload_id = {{id:UUID}} {}FORMAT TSV",
        rollup.name, range);
}

bool parse_count(std::string_view text, uint64_t& count) {
    return std::from_chars(text.data(), text.data() + text.size(), count).ec == std::errc{};
}

Result<model::Totals> parse_totals(std::string_view table, std::string_view line) {
    const auto fields = split(line.substr(0, line.find('\n')), '\t');
    model::Totals totals;
    bool valid = fields.size() == 1 + totals.sums.size();
    if (valid) {
        valid = parse_count(fields[0], totals.rows);
    }
    for (size_t a = 0; valid && a < totals.sums.size(); ++a) {
        const auto sum = model::parse_money_sum(fields[a + 1]);
        valid = sum.has_value();
        if (valid) {
            totals.sums[a] = *sum;
        }
    }
    if (!valid) {
        return fail(ErrorKind::internal, "clickhouse_error",
                    fmt::format("ClickHouse's totals of {} cannot be read: {}", table, line));
    }
    return totals;
}

std::string describe(const model::Totals& totals) {
    std::string text = fmt::format("{} rows", totals.rows);
    for (size_t a = 0; a < totals.sums.size(); ++a) {
        text += fmt::format(", {} {}", model::kAmountNames[a], model::to_string(totals.sums[a]));
    }
    return text;
}

// Of one shard.
Result<std::vector<TableTotals>> totals_on(const clickhouse::Client& owner,
                                           const clickhouse::Parameters& parameters) {
    RH_ASSIGN(const auto found, rollups(owner));
    RH_ASSIGN(const std::string raw, owner.query(kRawSql, {parameters[0]}, kAuditSettings));
    RH_ASSIGN(const auto raw_totals, parse_totals("game_rounds", raw));
    std::vector<TableTotals> tables = {{"game_rounds", raw_totals, false}};
    for (const Rollup& rollup : found) {
        const std::string sql = rollup_sql(rollup);
        const bool ranged = sql.find("{from:") != std::string::npos;
        RH_ASSIGN(const std::string line,
                  owner.query(sql, ranged ? parameters : clickhouse::Parameters{parameters[0]},
                              kAuditSettings));
        RH_ASSIGN(const auto totals, parse_totals(rollup.name, line));
        tables.push_back({rollup.name, totals, ranged});
    }
    return tables;
}

void add(std::vector<TableTotals>& sums, std::vector<TableTotals> more) {
    for (TableTotals& table : more) {
        const auto same = std::ranges::find(sums, table.table, &TableTotals::table);
        if (same == sums.end()) {
            sums.push_back(std::move(table));
            continue;
        }
        same->totals.add(table.totals);
    }
}

Result<void> delete_rows_on(const clickhouse::Client& owner, const model::UploadId& id,
                            const std::function<Result<void>()>& may_remove) {
    RH_ASSIGN(const auto found, rollups(owner));
    std::vector<std::string> tables;
    for (const Rollup& rollup : found) {
        tables.push_back(rollup.name);
    }
    // Last, since it is what the sweep looks at: whatever interrupts this is found again.
    tables.emplace_back("game_rounds");
    RH_TRY(stop_inserts(owner, id));
    // ClickHouse may come to it long after whoever asked is gone, and another process has stored
    // the upload by then: what counts stays.
    const std::string which =
        fmt::format("upload_id = {{id:UUID}} AND upload_id NOT IN ({})", kCommittedUploads);
    for (const std::string& table : tables) {
        RH_TRY(may_remove());
        // The second setting lets Replicated engines take a condition with a query in it.
        RH_TRY(owner.query(
            fmt::format("DELETE FROM {} WHERE {}", table, which), {{"id", model::to_string(id)}},
            {{"lightweight_deletes_sync", "2"}, {"allow_nondeterministic_mutations", "1"}}));
    }
    return {};
}

}  // namespace

Result<std::vector<TableTotals>> stored_totals(const clickhouse::Store& store,
                                               const model::UploadId& id, int64_t created_ms_min,
                                               int64_t created_ms_max) {
    const clickhouse::Parameters parameters = {{"id", model::to_string(id)},
                                               {"from", std::to_string(created_ms_min)},
                                               {"to", std::to_string(created_ms_max)}};
    std::vector<TableTotals> sums;
    for (auto& tables : store.on_every_shard(
             [&](size_t shard) { return totals_on(store.owner(shard), parameters); })) {
        RH_TRY(tables);
        add(sums, std::move(*tables));
    }
    return sums;
}

Result<std::optional<VisibleVersions>> visible_versions(const clickhouse::Client& owner,
                                                        const model::UploadId& id) {
    RH_ASSIGN(const std::string line,
              owner.query("SELECT stored_version, voided_version FROM uploads FINAL "
                          "WHERE upload_id = {id:UUID} FORMAT TSV",
                          {{"id", model::to_string(id)}}));
    if (line.empty()) {
        return std::nullopt;
    }
    VisibleVersions versions;
    const auto fields = split(std::string_view(line).substr(0, line.find('\n')), '\t');
    if (fields.size() != 2 || !parse_count(fields[0], versions.stored) ||
        !parse_count(fields[1], versions.voided)) {
        return fail(ErrorKind::internal, "clickhouse_error",
                    fmt::format("ClickHouse's row of an upload cannot be read: {}", line));
    }
    return versions;
}

Result<std::set<model::UploadId>> uploads_known(const clickhouse::Store& store) {
    auto found = store.on_every_shard(
        [&](size_t shard) { return read_upload_ids(store.owner(shard), kCommittedUploads); });
    RH_ASSIGN(std::set<model::UploadId> known, found[0]);
    for (size_t shard = 1; shard < found.size(); ++shard) {
        RH_TRY(found[shard]);
        std::erase_if(known, [&](const auto& id) { return !found[shard]->contains(id); });
    }
    return known;
}

std::string differences(const std::vector<TableTotals>& tables, const model::Totals& expected) {
    std::string text;
    for (const TableTotals& table : tables) {
        if (table.totals != expected) {
            text += fmt::format("{}{} holds {}", text.empty() ? "" : "; ", table.table,
                                describe(table.totals));
        }
    }
    return text.empty() ? text : fmt::format("{}; the manifest says {}.", text, describe(expected));
}

Result<void> delete_rows(const clickhouse::Store& store, const model::UploadId& id,
                         const std::function<Result<void>()>& may_remove) {
    return store.do_on_every_shard(
        [&](size_t shard) { return delete_rows_on(store.owner(shard), id, may_remove); });
}

}  // namespace rh::sink
