#include "sink/overlap.h"

#include <charconv>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/plural.h"
#include "base/split.h"
#include "model/upload_id.h"

namespace rh::sink {
namespace {

constexpr std::string_view kOverlapSql =
    "SELECT upload_id, sum(most) AS rows FROM ("
    "  SELECT upload_id, max(rounds) AS most FROM {0}"
    "  WHERE (game_id, hour) GLOBAL IN"
    "      (SELECT game_id, hour FROM {0} WHERE upload_id = {{id:UUID}})"
    "    AND upload_id NOT IN ({{id:UUID}}, {{replaces:UUID}})"
    "    AND upload_id GLOBAL IN"
    "      (SELECT upload_id FROM uploads FINAL"
    "       WHERE stored_version <= {{version:UInt64}} AND {{version:UInt64}} < voided_version)"
    "  GROUP BY upload_id, game_id, hour, part, cell) "
    "GROUP BY upload_id ORDER BY rows DESC, upload_id LIMIT {{most:UInt32}} FORMAT TSV";

}  // namespace

Result<std::vector<uploads::Warning>> overlaps(const clickhouse::Store& store,
                                               const uploads::Upload& upload, uint64_t version) {
    const auto replaces = upload.request.replaces.value_or(model::UploadId{});
    RH_ASSIGN(const std::string text,
              store.query(fmt::format(kOverlapSql, store.all("game_hourly")),
                          {{"id", model::to_string(upload.id)},
                           {"replaces", model::to_string(replaces)},
                           {"version", std::to_string(version)},
                           {"most", std::to_string(kOverlapsMax)}}));
    std::vector<uploads::Warning> warnings;
    for (const std::string_view line : lines_of(text)) {
        const size_t tab = line.find('\t');
        if (tab == std::string_view::npos) {
            continue;
        }
        uploads::Warning warning;
        warning.code = "overlapping_upload";
        warning.upload_id = line.substr(0, tab);
        const std::string_view count = line.substr(tab + 1);
        std::from_chars(count.data(), count.data() + count.size(), warning.count);
        warning.detail = fmt::format(
            "Upload {} has {} in games and hours that this file has too. If they are the same "
            "rounds, void one of the two.",
            warning.upload_id, counted(warning.count, "row"));
        warnings.push_back(std::move(warning));
    }
    return warnings;
}

}  // namespace rh::sink
