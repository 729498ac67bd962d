// Applies the numbered DDL files of queries/ (embedded into the binary at build time) in order.
// Each statement can be applied again without harm, so migrate is run at every start.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

struct MigrationFile {
    std::string_view name;  // "0001_game_rounds.sql"
    std::string_view sql;   // statements separated by `;` at a line's end
};
std::span<const MigrationFile> migration_files();

Result<void> migrate(const Client& owner);

}  // namespace rh::clickhouse
