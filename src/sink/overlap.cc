#include "sink/overlap.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/plural.h"
#include "base/split.h"

namespace rh::sink {
namespace {

constexpr int kFileTimeoutMs = 10'000;

constexpr std::string_view kCountedUploads =
    "SELECT upload_id FROM uploads FINAL"
    " WHERE stored_version <= {version:UInt64} AND {version:UInt64} < voided_version";

// To be added: of those the ones that may have rows in an hour of the file; asked first, since most
// files have their days to themselves, and to look for their games and hours is much dearer.
constexpr std::string_view kNear =
    " AND created_max >= fromUnixTimestamp64Milli({first_ms:Int64})"
    " AND created_min <= fromUnixTimestamp64Milli({last_ms:Int64})"
    " AND upload_id NOT IN ({id:UUID}, {replaces:UUID})";

constexpr std::string_view kOverlapSql =
    "SELECT upload_id, sum(most) AS rows FROM ("
    "  SELECT upload_id, max(rounds) AS most FROM {0}"
    "  WHERE (game_id, hour) GLOBAL IN"
    "      (SELECT game_id, hour FROM {0} WHERE upload_id = {{id:UUID}})"
    "    AND upload_id GLOBAL IN ({1})"
    "  GROUP BY upload_id, game_id, hour, part, cell) "
    "GROUP BY upload_id ORDER BY rows DESC, upload_id LIMIT {{most:UInt32}} FORMAT TSV";

// Rows by upload, game and hour in the file's time; asked of each shard, whose rows these are.
constexpr std::string_view kRowsSql =
    "SELECT upload_id, game_id, intDiv(toUnixTimestamp(hour), 3600), sum(most) FROM ("
    "  SELECT upload_id, game_id, hour, max(rounds) AS most FROM game_hourly"
    "  WHERE hour BETWEEN toDateTime({{first:UInt32}} * 3600, 'UTC')"
    "                 AND toDateTime({{last:UInt32}} * 3600, 'UTC')"
    "    AND upload_id NOT IN ({{but_0:UUID}}, {{but_1:UUID}})"
    "    AND upload_id IN ({0})"
    "  GROUP BY upload_id, game_id, hour, part, cell) "
    "GROUP BY upload_id, game_id, hour FORMAT TSV";

using RowsByUpload = std::map<std::string, uint64_t, std::less<>>;

template <class Integer>
Integer number(std::string_view text) {
    Integer value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

uploads::Warning overlapping(std::string_view upload_id, uint64_t rows, std::string_view advice) {
    return {.code = "overlapping_upload",
            .detail = fmt::format(
                "Upload {} has {} in games and hours that this file has too. If they are the same "
                "rounds, {}.",
                upload_id, counted(rows, "row"), advice),
            .count = rows,
            .upload_id = std::string(upload_id)};
}

// Adds the rows of one line of kRowsSql's answer, if the file has that game in that hour.
void add_line(std::string_view line, std::span<const model::GameHour> game_hours,
              RowsByUpload& rows) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) {
        return;
    }
    const model::GameHour there{.game_id = number<int64_t>(fields[1]),
                                .hour = number<int64_t>(fields[2])};
    if (!std::ranges::binary_search(game_hours, there)) {
        return;
    }
    const auto upload = rows.find(fields[0]);
    (upload != rows.end() ? upload : rows.emplace(fields[0], 0).first)->second +=
        number<uint64_t>(fields[3]);
}

Result<RowsByUpload> rows_on(const clickhouse::Endpoint& shard,
                             const clickhouse::Parameters& parameters,
                             std::span<const model::GameHour> game_hours) {
    // One of its own, since the store's waits longer.
    const clickhouse::Client client(shard, kFileTimeoutMs);
    RH_ASSIGN(const auto answer,
              client.stream(fmt::format(kRowsSql, kCountedUploads), parameters,
                            {{"max_execution_time", std::to_string(kFileTimeoutMs / 1'000)}}));
    RowsByUpload rows;
    std::string text;  // ends with a part of a line
    while (true) {
        RH_ASSIGN(const std::string_view piece, answer->next());
        if (piece.empty()) {
            return rows;
        }
        text += piece;
        size_t begin = 0;
        for (size_t end = text.find('\n'); end != std::string::npos;
             begin = end + 1, end = text.find('\n', begin)) {
            add_line(std::string_view(text).substr(begin, end - begin), game_hours, rows);
        }
        text.erase(0, begin);
    }
}

}  // namespace

Result<std::vector<uploads::Warning>> overlaps(const clickhouse::Store& store,
                                               const uploads::Upload& upload, uint64_t version) {
    if (upload.rows.accepted == 0) {
        return {};
    }
    const auto replaces = upload.request.replaces.value_or(model::UploadId{});
    const auto begin_of_hour = [](int64_t ms) {
        return std::chrono::floor<std::chrono::hours>(std::chrono::milliseconds(ms));
    };
    const std::chrono::milliseconds first = begin_of_hour(upload.created_ms_min);
    const std::chrono::milliseconds end =
        begin_of_hour(upload.created_ms_max) + std::chrono::hours(1);
    const clickhouse::Parameters parameters = {
        {"id", model::to_string(upload.id)},          {"replaces", model::to_string(replaces)},
        {"version", std::to_string(version)},         {"first_ms", std::to_string(first.count())},
        {"last_ms", std::to_string(end.count() - 1)}, {"most", std::to_string(kOverlapsMax)}};
    const std::string near_uploads = fmt::format("{}{}", kCountedUploads, kNear);
    RH_ASSIGN(const std::string any_near,
              store.query(near_uploads + " LIMIT 1 FORMAT TSV", parameters));
    if (any_near.empty()) {
        return {};
    }
    RH_ASSIGN(
        const std::string text,
        store.query(fmt::format(kOverlapSql, store.all("game_hourly"), near_uploads), parameters));
    std::vector<uploads::Warning> warnings;
    for (const std::string_view line : lines_of(text)) {
        if (const auto fields = split(line, '\t'); fields.size() == 2) {
            warnings.push_back(
                overlapping(fields[0], number<uint64_t>(fields[1]), "void one of the two"));
        }
    }
    return warnings;
}

Result<std::vector<uploads::Warning>> overlaps_of_file(const clickhouse::Store& store,
                                                       std::span<const model::GameHour> game_hours,
                                                       const std::array<model::UploadId, 2>& but,
                                                       uint64_t version) {
    if (game_hours.empty()) {
        return {};
    }
    const auto [first, last] =
        std::ranges::minmax(game_hours, {}, [](const auto& there) { return there.hour; });
    const clickhouse::Parameters parameters = {{"first", std::to_string(first.hour)},
                                               {"last", std::to_string(last.hour)},
                                               {"but_0", model::to_string(but[0])},
                                               {"but_1", model::to_string(but[1])},
                                               {"version", std::to_string(version)}};
    RowsByUpload rows;
    for (auto& of_shard : store.on_every_shard([&](size_t shard) {
             return rows_on(store.owner(shard).endpoint(), parameters, game_hours);
         })) {
        RH_TRY(of_shard);
        for (const auto& [upload_id, count] : *of_shard) {
            rows[upload_id] += count;
        }
    }
    std::vector<uploads::Warning> warnings;
    for (const auto& [upload_id, count] : rows) {
        warnings.push_back(overlapping(upload_id, count, "they would count twice"));
    }
    std::ranges::sort(warnings, [](const auto& one, const auto& other) {
        return one.count != other.count ? one.count > other.count : one.upload_id < other.upload_id;
    });
    warnings.resize(std::min(warnings.size(), kOverlapsMax));
    return warnings;
}

}  // namespace rh::sink
