#include "sink/upload_ids.h"

#include <string>

#include <fmt/format.h>

#include "base/split.h"

namespace rh::sink {

Result<std::set<model::UploadId>> read_upload_ids(const clickhouse::Client& client,
                                                  std::string_view sql,
                                                  const clickhouse::Settings& settings) {
    RH_ASSIGN(const std::string text,
              client.query(fmt::format("{} FORMAT TSV", sql), {}, settings));
    std::set<model::UploadId> found;
    for (const std::string_view line : lines_of(text)) {
        const auto id = model::parse_upload_id(line);
        if (!id) {
            return fail(ErrorKind::internal, "clickhouse_error",
                        fmt::format("ClickHouse's id of an upload cannot be read: {}", line));
        }
        found.insert(*id);
    }
    return found;
}

}  // namespace rh::sink
