// Applies the numbered DDL files of queries/ (embedded into the binary at build time) in order, to
// one server; those of queries/cluster/ after them, to each server of a cluster, and then those of
// queries/consumer/ (consumer_tables.h). Each statement can be applied again without harm, so
// migrate is run at every start.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/embedded.h"
#include "base/result.h"
#include "clickhouse/client.h"
#include "clickhouse/table_engines.h"

namespace rh::clickhouse {

// The files in the order of their numbers ("0001_database.sql", …); statements end with `;` at a
// line's end.
std::span<const EmbeddedFile> migration_files();
// Those of queries/cluster/, in which {cluster} stands for the cluster's name.
std::span<const EmbeddedFile> cluster_files();
// The tables that they make.
std::vector<std::string> tables_of_migration();
// The statements of one file, without those that are only comments.
std::vector<std::string_view> statements_of(std::string_view sql);

// What stands in a file for something that differs from place to place, and its text.
using Placeholders = std::vector<std::pair<std::string_view, std::string>>;
std::string with_values(std::string_view statement, const Placeholders& values);

// Which statements are applied; empty: all.
using Chosen = std::function<bool(std::string_view statement)>;

// For what is asked while the endpoint's database may not exist yet; the files name theirs.
extern const Settings kAnyDatabase;
// The answer of one line to such a question, without the line's end.
Result<std::string> ask_line(const Client& owner, std::string_view sql,
                             const Parameters& parameters = {});

// Errors are the client's, with the file's name.
Result<void> apply_files(const Client& owner, std::span<const EmbeddedFile> files,
                         const Placeholders& values, const Chosen& chosen = {},
                         Engines engines = Engines::plain);
// With Replicated engines also conflict no_replication.
Result<void> migrate(const Client& owner, const Chosen& chosen = {},
                     Engines engines = Engines::plain);
Result<void> migrate_cluster(const Client& owner, std::string_view cluster);
// Error conflict wrong_cluster if the server knows no cluster of this name with as many shards, or
// knows itself there, but not as the shard number `shard` (from 1).
Result<void> check_cluster(const Client& owner, std::string_view cluster, size_t shard,
                           size_t shards);

}  // namespace rh::clickhouse
