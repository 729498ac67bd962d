// The embedded log: every accepted row as Avro in object container files under DIR/log, one
// directory an upload, and beside the files a manifest with rows, sums and a hash of each file
// (docs/formats/log.md). Rows are written to a staging directory, synced, and become visible by one
// atomic rename. Any number of threads; a Writer or a RowReader belongs to one thread.
//
//   begin() ──append()*──seal()──▶ staged ──publish()──▶ published ──remove()
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/row_batch.h"
#include "model/totals.h"
#include "model/upload_id.h"

namespace rh::log {

// The only partition of the embedded log. Kafka's has more; rows carry it as `part`.
inline constexpr uint32_t kEmbeddedPartition = 0;

struct PartitionManifest {
    uint32_t partition = 0;
    model::Totals totals;
    int64_t last_offset =
        -1;  // of the last row; embedded: ordinal among accepted rows from 0; -1: none
};

struct Manifest {
    model::UploadId upload_id;
    uint32_t epoch = 1;  // grows when an upload is republished from its original
    model::Totals totals;
    std::vector<PartitionManifest> partitions;
    struct LogFile {
        std::string name;
        uint64_t bytes = 0;
        uint64_t rows = 0;
        std::string xxh3_128;  // hex
    };
    std::vector<LogFile> files;
};

class Writer {
  public:
    virtual ~Writer() = default;  // what is not sealed is removed at the next start of the log
    virtual Result<void> append(const model::RowBatch& batch) = 0;
    // Syncs files, manifest and staging directory.
    virtual Result<Manifest> seal() = 0;
};

class RowReader {
  public:
    virtual ~RowReader() = default;
    // Fills `batch` (cleared first) with the next rows of one cell, in the order of row_number;
    // false at the end. Error internal log_damaged if a hash or a count is not the manifest's.
    virtual Result<bool> next(model::RowBatch& batch) = 0;
};

class EmbeddedLog {
  public:
    // Opens DIR (created if missing) and removes what was staged and not in `keep`.
    static Result<EmbeddedLog> open(std::string directory, bool deflate);

    Result<std::unique_ptr<Writer>> begin(const model::UploadId& id, uint32_t epoch);
    Result<void> publish(const model::UploadId& id);  // of what is sealed; again: no error
    bool is_sealed(const model::UploadId& id) const;  // staged and complete
    bool is_published(const model::UploadId& id) const;
    Result<Manifest> manifest(
        const model::UploadId& id) const;  // of what is published, else of what is sealed
    // Reads published rows from the first one of `first_cell` on.
    Result<std::unique_ptr<RowReader>> read(const model::UploadId& id, uint64_t first_cell) const;
    Result<void> remove(const model::UploadId& id);  // staged and published; no error if absent

  private:
    EmbeddedLog(std::string directory, bool deflate)
        : directory_(std::move(directory)), deflate_(deflate) {}
    std::string directory_;
    bool deflate_ = false;
};

}  // namespace rh::log
