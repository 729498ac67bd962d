// Applies the numbered DDL files of queries/ (embedded into the binary at build time) in order.
// Each statement can be applied again without harm, so migrate is run at every start.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/embedded.h"
#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

// The files in the order of their numbers ("0001_database.sql", …); statements end with `;` at a
// line's end.
std::span<const EmbeddedFile> migration_files();
// The statements of one file, without those that are only comments.
std::vector<std::string_view> statements_of(std::string_view sql);

// Errors are the client's, with the file's name.
Result<void> migrate(const Client& owner);

}  // namespace rh::clickhouse
