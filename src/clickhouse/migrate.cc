#include "clickhouse/migrate.h"

#include <algorithm>

#include <fmt/format.h>

namespace rh::clickhouse {
namespace {

bool has_sql(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        const size_t begin = line.find_first_not_of(" \t\r");
        if (begin != std::string_view::npos && !line.substr(begin).starts_with("--")) {
            return true;
        }
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return false;
}

}  // namespace

std::vector<std::string_view> statements_of(std::string_view sql) {
    std::vector<std::string_view> statements;
    while (!sql.empty()) {
        const size_t end = std::min(sql.find(";\n"), sql.size());
        if (has_sql(sql.substr(0, end))) {
            statements.push_back(sql.substr(0, end));
        }
        sql.remove_prefix(std::min(sql.size(), end + 2));
    }
    return statements;
}

std::vector<std::string> tables_of_migration() {
    constexpr std::string_view kCreate = "CREATE TABLE IF NOT EXISTS roundhouse.";
    std::vector<std::string> tables;
    for (const EmbeddedFile& file : migration_files()) {
        for (const std::string_view statement : statements_of(file.text)) {
            if (const size_t at = statement.find(kCreate); at != statement.npos) {
                const std::string_view rest = statement.substr(at + kCreate.size());
                tables.emplace_back(rest.substr(0, rest.find_first_of(" \n(")));
            }
        }
    }
    return tables;
}

std::string with_values(std::string_view statement, const Placeholders& values) {
    std::string text(statement);
    for (const auto& [place, value] : values) {
        for (size_t at = 0; (at = text.find(place, at)) != text.npos; at += value.size()) {
            text.replace(at, place.size(), value);
        }
    }
    return text;
}

const Settings kAnyDatabase = {{"database", "default"}};

Result<std::string> ask_line(const Client& owner, std::string_view sql,
                             const Parameters& parameters) {
    RH_ASSIGN(std::string line, owner.query(sql, parameters, kAnyDatabase));
    line.resize(std::min(line.find('\n'), line.size()));
    return line;
}

Result<void> apply_files(const Client& owner, std::span<const EmbeddedFile> files,
                         const Placeholders& values, const Chosen& chosen, Engines engines) {
    for (const EmbeddedFile& file : files) {
        for (const std::string_view statement : statements_of(file.text)) {
            if (chosen && !chosen(statement)) {
                continue;
            }
            auto applied = owner.query(with_engines(with_values(statement, values), engines), {},
                                       kAnyDatabase);
            if (!applied) {
                Error error = std::move(applied).error();
                error.message = fmt::format("Applying {} failed. {}", file.name, error.message);
                return std::unexpected(std::move(error));
            }
        }
    }
    return {};
}

Result<void> migrate(const Client& owner, const Chosen& chosen, Engines engines) {
    return explained(owner, apply_files(owner, migration_files(), {}, chosen, engines));
}

Result<void> migrate_cluster(const Client& owner, std::string_view cluster) {
    return apply_files(owner, cluster_files(), {{"{cluster}", std::string(cluster)}});
}

Result<void> check_cluster(const Client& owner, std::string_view cluster, size_t shard,
                           size_t shards) {
    RH_ASSIGN(const std::string known, ask_line(owner,
                                                "SELECT uniqExact(shard_num) FROM system.clusters "
                                                "WHERE cluster = {cluster:String} FORMAT TSV",
                                                {{"cluster", std::string(cluster)}}));
    if (known == "0") {
        return fail(ErrorKind::conflict, "wrong_cluster",
                    fmt::format("The ClickHouse at {} knows no cluster \"{}\". Add one to its "
                                "remote_servers with the {} servers of `store`, in the same order, "
                                "or set clickhouse.cluster to the name of the one that has them.",
                                address_of(owner.endpoint()), cluster, shards));
    }
    if (known != std::to_string(shards)) {
        return fail(ErrorKind::conflict, "wrong_cluster",
                    fmt::format("The cluster \"{}\" of the ClickHouse at {} has {} shards, but "
                                "`store` names {}. Make its remote_servers list the same servers "
                                "in the same order, or set clickhouse.cluster.",
                                cluster, address_of(owner.endpoint()), known, shards));
    }
    // In another order rows that are read again would go to another shard than the first time. A
    // server may not know under which number it is there, behind a proxy for example.
    RH_ASSIGN(
        const std::string itself,
        ask_line(owner,
                 "SELECT arrayStringConcat(arraySort(groupUniqArray(toString(shard_num))), "
                 "' and ') FROM system.clusters WHERE cluster = {cluster:String} AND is_local "
                 "HAVING count() > 0 AND NOT has(groupArray(shard_num), {shard:UInt32}) "
                 "FORMAT TSV",
                 {{"cluster", std::string(cluster)}, {"shard", std::to_string(shard)}}));
    if (!itself.empty()) {
        return fail(
            ErrorKind::conflict, "wrong_cluster",
            fmt::format("`store` names the ClickHouse at {} as shard {}, but in its cluster "
                        "\"{}\" it is shard {}. Name the servers in the order of its "
                        "remote_servers.",
                        address_of(owner.endpoint()), shard, cluster, itself));
    }
    return {};
}

}  // namespace rh::clickhouse
