#include "log/log_writer.h"

#include "avro/container.h"
#include "base/assert.h"
#include "io/file.h"
#include "log/hash.h"
#include "log/log_format.h"
#include "log/manifest.h"

namespace rh::log {
namespace {

class FileWriter final : public Writer {
  public:
    FileWriter(const WriterOptions& options, io::File file)
        : directory_(options.directory),
          file_(std::move(file)),
          container_({.codec = options.deflate ? avro::Codec::deflate : avro::Codec::null,
                      .sync = avro::random_sync_marker()}) {
        manifest_.upload_id = options.upload_id;
        manifest_.epoch = options.epoch;
        manifest_.files.emplace_back().name = kRowsFile;
    }

    Result<void> write_header() {
        container_.append_header(buffer_);
        RH_ASSIGN(log_file().header, write_buffer());
        return {};
    }

    Result<void> append(const model::RowBatch& batch) override {
        RH_TRY(check_alive());
        if (batch.empty()) {
            return {};
        }
        RH_ASSERT(batch.row_number.front() > last_row_ &&
                  model::cell_of(batch.row_number.front()) ==
                      model::cell_of(batch.row_number.back()));
        dead_ = true;  // until all of it is written
        for (size_t row = 0; row < batch.size();) {
            const size_t rows = container_.append_block(batch, row, manifest_.upload_id, buffer_);
            RH_ASSIGN(Manifest::Block block, write_buffer());
            block.first_row = batch.row_number[row];
            block.rows = rows;
            log_file().blocks.push_back(std::move(block));
            row += rows;
        }
        log_file().rows += batch.size();
        manifest_.totals.add(batch);
        last_row_ = batch.row_number.back();
        dead_ = false;
        return {};
    }

    Result<Manifest> seal() override {
        RH_TRY(check_alive());
        dead_ = true;  // nothing may follow; and after a failed sync nothing is trusted
        RH_TRY(file_.sync());
        RH_TRY(file_.close());
        log_file().xxh3_128 = file_hash_.digest();
        manifest_.partitions.push_back(
            {.partition = kEmbeddedPartition,
             .totals = manifest_.totals,
             .last_offset = static_cast<int64_t>(manifest_.totals.rows) - 1});
        // The name of the rows' file must be on disk before a manifest says that it is.
        RH_TRY(io::sync_directory(directory_));
        RH_TRY(io::write_file_durably(directory_ + "/" + std::string(kManifestFile),
                                      manifest_text(manifest_)));
        return manifest_;
    }

  private:
    Manifest::LogFile& log_file() { return manifest_.files.front(); }

    Result<void> check_alive() const {
        if (dead_) {
            return fail(ErrorKind::internal, "log_writer_dead",
                        "Writing the log of this upload failed before; send the upload again.");
        }
        return {};
    }

    // Writes and empties the buffer; says where it lies and its hash.
    Result<Manifest::Block> write_buffer() {
        RH_TRY(file_.write_all(buffer_));
        Manifest::Block block;
        block.offset = log_file().bytes;
        block.bytes = buffer_.size();
        block.xxh3_128 = xxh3_128(buffer_);
        file_hash_.add(buffer_);
        log_file().bytes += buffer_.size();
        buffer_.clear();
        return block;
    }

    std::string directory_;
    io::File file_;
    avro::ContainerWriter container_;
    Manifest manifest_;
    Hasher file_hash_;
    std::string buffer_;
    uint64_t last_row_ = 0;
    bool dead_ = false;
};

}  // namespace

Result<std::unique_ptr<Writer>> open_log_writer(const WriterOptions& options) {
    RH_ASSIGN(io::File file, io::File::create(options.directory + "/" + std::string(kRowsFile)));
    auto writer = std::make_unique<FileWriter>(options, std::move(file));
    RH_TRY(writer->write_header());
    return writer;
}

}  // namespace rh::log
