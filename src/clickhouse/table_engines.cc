#include "clickhouse/table_engines.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/assert.h"
#include "clickhouse/migrate.h"

namespace rh::clickhouse {
namespace {

constexpr std::string_view kCreateTable = "CREATE TABLE IF NOT EXISTS roundhouse.";
constexpr std::string_view kEngine = "\nENGINE = ";
constexpr std::string_view kSettings = "\nSETTINGS\n";
constexpr std::string_view kFamily = "MergeTree";
// ClickHouse's own macros {database} and {table}, and those of the server's configuration.
constexpr std::string_view kReplica =
    "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
// The same cell once more is not the same block once more: rows that were deleted, or that only
// some of the tables had taken, are inserted again, and must not be dropped because they were here
// before (docs/decisions/0019). A part that was fetched from another replica is synced like one
// that was inserted.
constexpr std::string_view kReplicatedSettings =
    "    replicated_deduplication_window = 0,\n"
    "    replicated_deduplication_window_for_async_inserts = 0,\n"
    "    min_compressed_bytes_to_fsync_after_fetch = 1,\n";

// Where the engine's name and its parameters stand.
struct EngineText {
    size_t begin = 0;
    std::string_view name;
    std::string_view parameters;  // without brackets
    size_t end = 0;
};

// Nothing if the statement makes no table that keeps rows.
std::optional<EngineText> engine_of(std::string_view statement) {
    const size_t found = statement.find(kEngine);
    if (!statement.contains(kCreateTable) || found == std::string_view::npos) {
        return std::nullopt;
    }
    EngineText engine;
    engine.begin = found + kEngine.size();
    engine.name = statement.substr(engine.begin);
    engine.name = engine.name.substr(0, engine.name.find_first_of("(\n"));
    engine.end = engine.begin + engine.name.size();
    if (!engine.name.ends_with(kFamily)) {
        return std::nullopt;
    }
    if (statement.substr(engine.end).starts_with('(')) {
        const size_t close = statement.find(')', engine.end);
        engine.parameters = statement.substr(engine.end + 1, close - engine.end - 1);
        engine.end = close + 1;
    }
    return engine;
}

std::string_view table_of(std::string_view statement) {
    const std::string_view rest =
        statement.substr(statement.find(kCreateTable) + kCreateTable.size());
    return rest.substr(0, rest.find_first_of("\n ("));
}

// Those that keep rows.
std::vector<std::string> tables() {
    std::vector<std::string> names;
    for (const EmbeddedFile& file : migration_files()) {
        for (const std::string_view statement : statements_of(file.text)) {
            if (engine_of(statement)) {
                names.emplace_back(table_of(statement));
            }
        }
    }
    return names;
}

std::unexpected<Error> no_replication(const Client& owner, std::string_view lacking) {
    return fail(ErrorKind::conflict, "no_replication",
                fmt::format("The ClickHouse at {} cannot keep Replicated tables: {}. Give it the "
                            "macros shard and replica and a Keeper, as deploy/clickhouse/config.d "
                            "does, or start with --clickhouse-engines=plain.",
                            address_of(owner.endpoint()), lacking));
}

}  // namespace

std::string with_engines(std::string_view statement, Engines engines) {
    const auto engine = engine_of(statement);
    std::string text(statement);
    if (engines == Engines::plain || !engine) {
        return text;
    }
    // From behind, so that the places before stay where they are.
    const size_t settings = text.find(kSettings, engine->end);
    RH_ASSERT(settings != std::string::npos);
    text.insert(settings + kSettings.size(), kReplicatedSettings);
    text.replace(engine->begin, engine->end - engine->begin,
                 fmt::format("Replicated{}({}{}{})", engine->name, kReplica,
                             engine->parameters.empty() ? "" : ", ", engine->parameters));
    return text;
}

const Settings& owner_settings(Engines engines) {
    static const Settings kPlain;
    static const Settings kReplicated = {
        {"load_balancing", "in_order"},
        // Acknowledged is what most replicas have, so that one that is lost takes no stored row
        // with it; where there is one replica, it is that one.
        {"insert_quorum", "auto"},
        {"insert_quorum_timeout", "60000"},
    };
    return engines == Engines::plain ? kPlain : kReplicated;
}

const Settings& reader_settings(Engines engines) {
    static const Settings kPlain;
    // The first one of remote_servers, into which we insert: others may be behind it.
    static const Settings kReplicated = {{"load_balancing", "in_order"}};
    return engines == Engines::plain ? kPlain : kReplicated;
}

Result<void> check_engines(const Client& owner, Engines engines) {
    const bool replicated = engines == Engines::replicated;
    RH_ASSIGN(const std::string others,
              ask_line(owner,
                       "SELECT arrayStringConcat(arraySort(groupArray(name)), ', ') "
                       "FROM system.tables WHERE database = 'roundhouse' "
                       "AND name IN {names:Array(String)} "
                       "AND startsWith(engine, 'Replicated') != {replicated:Bool} FORMAT TSVRaw",
                       {{"names", array_parameter(tables())},
                        {"replicated", replicated ? "true" : "false"}}));
    if (!others.empty()) {
        return fail(ErrorKind::conflict, "other_engines",
                    fmt::format("The ClickHouse at {} has tables with {} engines: {}. Start with "
                                "--clickhouse-engines={}, or with servers that have no tables of "
                                "roundhouse; docs/operations.md tells how to bring rows over.",
                                address_of(owner.endpoint()), replicated ? "plain" : "Replicated",
                                others, replicated ? "plain" : "replicated"));
    }
    if (!replicated) {
        return {};
    }
    RH_ASSIGN(const std::string macros,
              ask_line(owner,
                       "SELECT arrayStringConcat(arrayFilter(name -> name NOT IN (SELECT macro "
                       "FROM system.macros), ['shard', 'replica']), ' and ') FORMAT TSVRaw",
                       {}));
    return macros.empty() ? Result<void>{}
                          : no_replication(owner, fmt::format("it has no macro {}", macros));
}

Result<void> check_replicas(const Client& owner) {
    RH_ASSIGN(const std::string found,
              ask_line(owner,
                       "SELECT arrayStringConcat(arraySort(groupArray(table)), ', ') || "
                       "anyIf(' (' || zookeeper_exception || ')', zookeeper_exception != '') "
                       "FROM system.replicas WHERE database = 'roundhouse' AND is_readonly "
                       "AND table IN {names:Array(String)} FORMAT TSVRaw",
                       {{"names", array_parameter(tables())}}));
    if (found.empty()) {
        return {};
    }
    return fail(ErrorKind::unavailable, "replica_read_only",
                fmt::format("Replicated tables of the ClickHouse at {} take no rows now: {}. It "
                            "needs a Keeper that answers, and an interserver_http_port under "
                            "which the other replicas reach it.",
                            address_of(owner.endpoint()), found),
                Verdict::retry);
}

Result<void> explained(const Client& owner, Result<void> applied) {
    constexpr std::string_view kNoKeeper = "Code: 225.";
    if (!applied && applied.error().message.contains(kNoKeeper)) {
        return no_replication(owner, "it has no Keeper");
    }
    return applied;
}

}  // namespace rh::clickhouse
