// Avro object container files of game rounds (docs/formats/avro.md), in memory: the writer appends
// to a buffer and the reader takes bytes, so log/ and the CLI do the I/O as they like. Blocks are
// at most kBlockBytesMax of records, which keeps writer and readers flat in memory, and a block's
// rows are of one cell. One thread at a time for each object.
//
//   ContainerWriter writer({.codec = Codec::null, .sync = random_sync_marker()});
//   writer.append_header(out);
//   for (size_t row = 0; row < batch.size();) { row += writer.append_block(batch, row, id, out); }
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "avro/container_format.h"
#include "base/result.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::avro {

enum class Codec : uint8_t { null, deflate };
using SyncMarker = std::array<char, kSyncBytes>;

// From the system's random source, as the format asks: it must not occur in the data.
SyncMarker random_sync_marker();

class ContainerWriter {
  public:
    struct Options {
        Codec codec = Codec::null;
        SyncMarker sync{};
    };
    explicit ContainerWriter(const Options& options);
    ~ContainerWriter();
    ContainerWriter(const ContainerWriter&) = delete;
    ContainerWriter& operator=(const ContainerWriter&) = delete;

    void append_header(std::string& out) const;
    // Appends one block of the rows from `first` (< batch.size()) on, as many as fit; returns how
    // many, at least 1. Call it until the batch is used up.
    size_t append_block(const model::RowBatch& batch, size_t first, const model::UploadId& id,
                        std::string& out);

  private:
    struct Deflater;
    std::string_view compress();
    Options options_;
    std::unique_ptr<Deflater> deflater_;
    std::string records_, compressed_;
};

struct ContainerHeader {
    Codec codec = Codec::null;
    SyncMarker sync{};
    size_t bytes = 0;  // of the header: the first block begins there
};

// `bytes`: the beginning of a file, at least the header or the first kHeaderBytesMax. Error
// internal avro_damaged, or unsupported avro_unsupported for a file of another schema or codec.
Result<ContainerHeader> read_container_header(std::string_view bytes);

struct Block {
    uint64_t rows = 0;
    size_t bytes = 0;          // of the whole block in the file
    std::string_view records;  // for decode_rows; valid as long as `bytes` and `scratch` are
};

// Reads the block that `bytes` begins with; bytes after it are not looked at. `scratch` takes the
// records of a compressed block, at most kBlockBytesMax. Error internal avro_damaged if it is not
// whole, its marker is not the header's, or a count or length is out of bounds.
Result<Block> read_block(std::string_view bytes, const ContainerHeader& header,
                         std::string& scratch);

}  // namespace rh::avro
