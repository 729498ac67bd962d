#include "kafka_log/records.h"

#include <array>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "log/json_parts.h"

namespace rh::kafka_log {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 3> kStateNames = {"begun", "complete", "abandoned"};
// More than any broker's limit; a record may not make us believe in billions.
constexpr size_t kPartitionsMax = 100'000;

json::object object_of(const Published& record) {
    json::array partitions;
    for (const PartitionRows& partition : record.partitions) {
        json::object object = log::totals_json(partition.totals);
        object["first_offset"] = partition.first_offset;
        object["last_offset"] = partition.last_offset;
        partitions.push_back(std::move(object));
    }
    return {{"type", "published"},
            {"upload_id", model::to_string(record.upload_id)},
            {"epoch", record.epoch},
            {"state", kStateNames[static_cast<size_t>(record.state)]},
            {"publisher", record.publisher},
            {"written_ms", record.written_ms},
            {"last_row", record.last_row},
            {"totals", log::totals_json(record.totals)},
            {"partitions", std::move(partitions)}};
}

json::object object_of(const Received& record) {
    return {{"type", "received"},
            {"upload_id", model::to_string(record.upload_id)},
            {"receiver", record.receiver},
            {"state", record.state},
            {"upload", record.upload}};
}

json::object object_of(const Stored& record) {
    json::object object = {{"type", "stored"},
                           {"upload_id", model::to_string(record.upload_id)},
                           {"receiver", record.receiver},
                           {"upload", record.upload}};
    if (record.replaces) {
        object["replaces"] = model::to_string(*record.replaces);
    }
    object["row"] = record.row;
    if (record.withdrawn_at >= 0) {
        object["withdrawn_at"] = record.withdrawn_at;
    }
    return object;
}

json::object object_of(const Withdrawn& record) {
    return {{"type", "withdrawn"},
            {"upload_id", model::to_string(record.upload_id)},
            {"process", record.process}};
}

json::object object_of(const Voided& record) {
    json::object object = {{"type", "voided"}, {"upload_id", model::to_string(record.upload_id)}};
    if (record.replaced_by) {
        object["replaced_by"] = model::to_string(*record.replaced_by);
    }
    return object;
}

json::object object_of(const Visible& record) {
    return {{"type", "visible"}, {"version", record.version}};
}

model::UploadId id_in(log::Parts& parts, const json::object& object, std::string_view key) {
    const auto id = model::parse_upload_id(parts.text(parts.get(object, key)));
    parts.good = parts.good && id;
    return id.value_or(model::UploadId{});
}

Published published_in(log::Parts& parts, const json::object& object) {
    Published record;
    record.upload_id = id_in(parts, object, "upload_id");
    const uint64_t epoch = parts.count(parts.get(object, "epoch"));
    parts.good = parts.good && epoch <= UINT32_MAX;
    record.epoch = static_cast<uint32_t>(epoch);
    const std::string state = parts.text(parts.get(object, "state"));
    const auto* const found = std::ranges::find(kStateNames, state);
    parts.good = parts.good && found != kStateNames.end();
    record.state =
        static_cast<Published::State>(found != kStateNames.end() ? found - kStateNames.begin() : 0);
    record.publisher = parts.text(parts.get(object, "publisher"));
    record.written_ms = parts.number(parts.get(object, "written_ms"));
    record.last_row = parts.count(parts.get(object, "last_row"));
    record.totals = log::get_totals(parts, parts.object(parts.get(object, "totals")));
    const json::array& partitions = parts.array(parts.get(object, "partitions"));
    parts.good = parts.good && !partitions.empty() && partitions.size() <= kPartitionsMax;
    model::Totals sum;
    for (const json::value& value : partitions) {
        const json::object& partition = parts.object(value);
        PartitionRows rows;
        rows.totals = log::get_totals(parts, partition);
        rows.first_offset = parts.number(parts.get(partition, "first_offset"));
        rows.last_offset = parts.number(parts.get(partition, "last_offset"));
        sum.add(rows.totals);
        record.partitions.push_back(rows);
    }
    parts.good = parts.good && sum == record.totals;
    return record;
}

}  // namespace

std::string record_text(const ControlRecord& record) {
    return json::serialize(std::visit([](const auto& kind) { return object_of(kind); }, record));
}

std::optional<ControlRecord> parse_record(std::string_view text) {
    boost::system::error_code failed;
    const json::value value = json::parse(text, failed);
    if (failed || !value.is_object()) {
        return std::nullopt;
    }
    const json::object& object = value.get_object();
    log::Parts parts;
    const std::string type = parts.text(parts.get(object, "type"));
    std::optional<ControlRecord> record;
    if (type == "published") {
        record = published_in(parts, object);
    } else if (type == "received") {
        record = Received{.upload_id = id_in(parts, object, "upload_id"),
                          .receiver = parts.text(parts.get(object, "receiver")),
                          .state = parts.text(parts.get(object, "state")),
                          .upload = parts.text(parts.get(object, "upload"))};
    } else if (type == "stored") {
        Stored stored{.upload_id = id_in(parts, object, "upload_id"),
                      .receiver = parts.text(parts.get(object, "receiver")),
                      .upload = parts.text(parts.get(object, "upload")),
                      .replaces = {},
                      .row = parts.text(parts.get(object, "row"))};
        if (object.contains("replaces")) {
            stored.replaces = id_in(parts, object, "replaces");
        }
        if (object.contains("withdrawn_at")) {
            stored.withdrawn_at = parts.number(parts.get(object, "withdrawn_at"));
        }
        record = std::move(stored);
    } else if (type == "withdrawn") {
        record = Withdrawn{.upload_id = id_in(parts, object, "upload_id"),
                           .process = parts.text(parts.get(object, "process"))};
    } else if (type == "voided") {
        Voided voided{.upload_id = id_in(parts, object, "upload_id")};
        if (object.contains("replaced_by")) {
            voided.replaced_by = id_in(parts, object, "replaced_by");
        }
        record = voided;
    } else if (type == "visible") {
        record = Visible{parts.count(parts.get(object, "version"))};
    }
    return parts.good ? record : std::nullopt;
}

std::string key_of(const ControlRecord& record, std::string_view unique) {
    if (const auto* published = std::get_if<Published>(&record)) {
        return "published/" + model::to_string(published->upload_id);
    }
    if (const auto* received = std::get_if<Received>(&record)) {
        return fmt::format("received/{}/{}", model::to_string(received->upload_id),
                           received->receiver);
    }
    if (const auto* stored = std::get_if<Stored>(&record)) {
        return fmt::format("stored/{}/{}", model::to_string(stored->upload_id), unique);
    }
    if (const auto* withdrawn = std::get_if<Withdrawn>(&record)) {
        return fmt::format("withdrawn/{}/{}", model::to_string(withdrawn->upload_id), unique);
    }
    if (const auto* voided = std::get_if<Voided>(&record)) {
        return fmt::format("voided/{}/{}", model::to_string(voided->upload_id), unique);
    }
    return "visible";
}

log::Manifest manifest_of(const Published& published) {
    log::Manifest manifest;
    manifest.upload_id = published.upload_id;
    manifest.epoch = published.epoch;
    manifest.totals = published.totals;
    for (size_t p = 0; p < published.partitions.size(); ++p) {
        manifest.partitions.push_back({.partition = static_cast<uint32_t>(p),
                                       .totals = published.partitions[p].totals,
                                       .last_offset = published.partitions[p].last_offset});
    }
    return manifest;
}

}  // namespace rh::kafka_log
