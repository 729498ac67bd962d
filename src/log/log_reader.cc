#include "log/log_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "avro/container.h"
#include "avro/game_round_codec.h"
#include "io/file.h"
#include "log/hash.h"
#include "log/log_format.h"
#include "log/manifest.h"

namespace rh::log {
namespace {

// The bytes of a header or block, after their hash was compared.
Result<std::string_view> read_checked(io::File& file, const Manifest::Block& block,
                                      std::string& buffer) {
    buffer.resize(block.bytes);
    size_t filled = 0;
    while (filled < buffer.size()) {
        RH_ASSIGN(const size_t got,
                  file.pread(std::span(buffer).subspan(filled), block.offset + filled));
        if (got == 0) {
            return log_damaged(fmt::format("{} is cut short", file.path()));
        }
        filled += got;
    }
    if (xxh3_128(buffer) != block.xxh3_128) {
        return log_damaged(
            fmt::format("{} bytes of {} from {} on do not have the hash in the "
                        "manifest",
                        block.bytes, file.path(), block.offset));
    }
    return std::string_view(buffer);
}

class FileReader final : public RowReader {
  public:
    FileReader(io::File file, Manifest manifest, const avro::ContainerHeader& header,
               uint64_t first_cell)
        : file_(std::move(file)), manifest_(std::move(manifest)), header_(header) {
        const auto first = std::ranges::lower_bound(
            blocks(), first_cell, {},
            [](const Manifest::Block& block) { return model::cell_of(block.first_row); });
        next_ = static_cast<size_t>(first - blocks().begin());
    }

    uint32_t partition() const override { return kEmbeddedPartition; }

    Result<bool> next(model::RowBatch& batch) override {
        batch.clear();
        if (next_ == blocks().size()) {
            return false;
        }
        const uint64_t cell = model::cell_of(blocks()[next_].first_row);
        for (; next_ < blocks().size() && model::cell_of(blocks()[next_].first_row) == cell;
             ++next_) {
            if (auto added = add_block(blocks()[next_], batch); !added) {
                batch.clear();
                return std::unexpected(std::move(added).error());
            }
        }
        return true;
    }

  private:
    const std::vector<Manifest::Block>& blocks() const { return manifest_.files.front().blocks; }

    Result<void> add_block(const Manifest::Block& described, model::RowBatch& batch) {
        RH_ASSIGN(const std::string_view bytes, read_checked(file_, described, buffer_));
        const size_t held = batch.size();
        const auto block = avro::read_block(bytes, header_, scratch_);
        if (!block || block->bytes != bytes.size() || block->rows != described.rows) {
            return log_damaged(
                fmt::format("{} has a block that is not the manifest's", file_.path()));
        }
        const auto decoded =
            avro::decode_rows(block->records, block->rows, manifest_.upload_id, batch);
        if (!decoded || batch.row_number[held] != described.first_row) {
            return log_damaged(
                fmt::format("{} has rows that are not the manifest's", file_.path()));
        }
        return {};
    }

    io::File file_;
    Manifest manifest_;
    avro::ContainerHeader header_;
    size_t next_ = 0;
    std::string buffer_, scratch_;
};

}  // namespace

Result<std::unique_ptr<RowReader>> open_log_reader(const std::string& directory, Manifest manifest,
                                                   uint64_t first_cell) {
    const Manifest::LogFile& described = manifest.files.front();
    auto opened = io::File::open_read(directory + "/" + described.name);
    if (!opened && opened.error().kind == ErrorKind::not_found) {
        return log_damaged(fmt::format("{}/{} is gone", directory, described.name));
    }
    RH_ASSIGN(io::File file, std::move(opened));
    RH_ASSIGN(const uint64_t bytes, file.size());
    if (bytes != described.bytes) {
        return log_damaged(
            fmt::format("{} has {} bytes in place of {}", file.path(), bytes, described.bytes));
    }
    std::string buffer;
    RH_ASSIGN(const std::string_view header_bytes, read_checked(file, described.header, buffer));
    const auto header = avro::read_container_header(header_bytes);
    if (!header || header->bytes != header_bytes.size()) {
        return log_damaged(
            fmt::format("{} does not begin as an Avro file of this program", file.path()));
    }
    return std::make_unique<FileReader>(std::move(file), std::move(manifest), *header, first_cell);
}

}  // namespace rh::log
