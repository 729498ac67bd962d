#include "clickhouse/migrate.h"

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

Result<void> migrate(const Client& owner) {
    for (const EmbeddedFile& file : migration_files()) {
        for (const std::string_view statement : statements_of(file.text)) {
            // The endpoint's database may not exist yet; the files name theirs.
            auto applied = owner.query(statement, {}, {{"database", "default"}});
            if (!applied) {
                Error error = std::move(applied).error();
                error.message = fmt::format("Applying {} failed. {}", file.name, error.message);
                return std::unexpected(std::move(error));
            }
        }
    }
    return {};
}

}  // namespace rh::clickhouse
