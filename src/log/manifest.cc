#include "log/manifest.h"

#include <optional>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "avro/container_format.h"
#include "log/hash.h"
#include "log/json_parts.h"
#include "log/log_format.h"

namespace rh::log {
namespace {

namespace json = boost::json;

json::array block_json(const Manifest::Block& block) {
    return {block.first_row, block.rows, block.offset, block.bytes, block.xxh3_128};
}

json::object file_json(const Manifest::LogFile& file) {
    json::array blocks;
    for (const auto& block : file.blocks) {
        blocks.push_back(block_json(block));
    }
    return {{"name", file.name},
            {"bytes", file.bytes},
            {"rows", file.rows},
            {"xxh3_128", file.xxh3_128},
            {"header", block_json(file.header)},
            {"blocks", std::move(blocks)}};
}

Manifest::Block get_block(Parts& parts, const json::value& value) {
    const json::array& array = parts.array(value);
    if (array.size() != 5) {
        parts.good = false;
        return {};
    }
    return {.first_row = parts.count(array[0]),
            .rows = parts.count(array[1]),
            .offset = parts.count(array[2]),
            .bytes = parts.count(array[3]),
            .xxh3_128 = parts.text(array[4])};
}

Manifest::LogFile get_file(Parts& parts, const json::object& object) {
    Manifest::LogFile file;
    file.name = parts.text(parts.get(object, "name"));
    file.bytes = parts.count(parts.get(object, "bytes"));
    file.rows = parts.count(parts.get(object, "rows"));
    file.xxh3_128 = parts.text(parts.get(object, "xxh3_128"));
    file.header = get_block(parts, parts.get(object, "header"));
    for (const json::value& block : parts.array(parts.get(object, "blocks"))) {
        file.blocks.push_back(get_block(parts, block));
    }
    return file;
}

// Header and blocks lie one behind the other and are all of the file; no length is so large that a
// reader would have to believe it.
bool consistent(const Manifest::LogFile& file) {
    uint64_t end = file.header.bytes;
    uint64_t rows = 0;
    uint64_t last_row = 0;
    if (file.name != kRowsFile || file.header.offset != 0 || file.header.rows != 0 ||
        file.header.bytes > avro::kHeaderBytesMax) {
        return false;
    }
    for (const auto& block : file.blocks) {
        if (block.offset != end || block.bytes > avro::kStoredBlockBytesMax || block.rows == 0 ||
            block.rows > avro::kBlockRowsMax || block.first_row <= last_row) {
            return false;
        }
        end += block.bytes;
        rows += block.rows;
        last_row = block.first_row + block.rows - 1;
    }
    return end == file.bytes && rows == file.rows;
}

bool consistent(const Manifest& manifest) {
    if (manifest.files.size() != 1 || manifest.partitions.size() != 1) {
        return false;
    }
    const PartitionManifest& partition = manifest.partitions.front();
    return consistent(manifest.files.front()) &&
           manifest.files.front().rows == manifest.totals.rows &&
           partition.partition == kEmbeddedPartition && partition.totals == manifest.totals &&
           partition.last_offset == static_cast<int64_t>(manifest.totals.rows) - 1;
}

std::string hash_line(std::string_view line) {
    return fmt::format("{{\"xxh3_128\":\"{}\"}}\n", xxh3_128(line));
}

std::optional<Manifest> manifest_of(const json::value& value) {
    Parts parts;
    const json::object& object = parts.object(value);
    Manifest manifest;
    const auto id = model::parse_upload_id(parts.text(parts.get(object, "upload_id")));
    const uint64_t epoch = parts.count(parts.get(object, "epoch"));
    const std::string format = parts.text(parts.get(object, "format"));
    const int64_t version = parts.number(parts.get(object, "version"));
    manifest.upload_id = id.value_or(model::UploadId{});
    manifest.epoch = static_cast<uint32_t>(epoch);
    manifest.totals = get_totals(parts, parts.object(parts.get(object, "totals")));
    for (const json::value& entry : parts.array(parts.get(object, "partitions"))) {
        const json::object& partition = parts.object(entry);
        manifest.partitions.push_back(
            {.partition = static_cast<uint32_t>(parts.count(parts.get(partition, "partition"))),
             .totals = get_totals(parts, partition),
             .last_offset = parts.number(parts.get(partition, "last_offset"))});
    }
    for (const json::value& entry : parts.array(parts.get(object, "files"))) {
        manifest.files.push_back(get_file(parts, parts.object(entry)));
    }
    const bool good = parts.good && id && format == kManifestFormat &&
                      version == kManifestVersion && epoch <= UINT32_MAX && consistent(manifest);
    return good ? std::optional(std::move(manifest)) : std::nullopt;
}

}  // namespace

std::unexpected<Error> log_damaged(std::string_view what) {
    return fail(ErrorKind::internal, "log_damaged",
                fmt::format("The log of an upload is damaged: {}. It must be written again from "
                            "the original.",
                            what));
}

std::string manifest_text(const Manifest& manifest) {
    json::array partitions;
    for (const auto& partition : manifest.partitions) {
        json::object object = totals_json(partition.totals);
        object["partition"] = partition.partition;
        object["last_offset"] = partition.last_offset;
        partitions.push_back(std::move(object));
    }
    json::array files;
    for (const auto& file : manifest.files) {
        files.push_back(file_json(file));
    }
    const json::object object = {{"format", kManifestFormat},
                                 {"version", kManifestVersion},
                                 {"upload_id", model::to_string(manifest.upload_id)},
                                 {"epoch", manifest.epoch},
                                 {"totals", totals_json(manifest.totals)},
                                 {"partitions", std::move(partitions)},
                                 {"files", std::move(files)}};
    const std::string line = json::serialize(object) + "\n";
    return line + hash_line(line);
}

Result<Manifest> parse_manifest(std::string_view text) {
    const size_t first_end = text.find('\n');
    if (first_end == std::string_view::npos) {
        return log_damaged("its manifest is cut short");
    }
    const std::string_view line = text.substr(0, first_end + 1);
    if (text.substr(line.size()) != hash_line(line)) {
        return log_damaged("its manifest does not have the hash that it states");
    }
    boost::system::error_code error;
    const json::value value = json::parse(line, error);
    const auto manifest = error ? std::nullopt : manifest_of(value);
    if (!manifest) {
        return log_damaged("its manifest contradicts itself or is of another version");
    }
    return *manifest;
}

}  // namespace rh::log
