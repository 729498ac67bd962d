// The embedded log: every accepted row as Avro in object container files under DIR, one directory
// an upload, and beside the file a manifest with rows, sums and hashes (docs/formats/log.md). Rows
// are written to a staging directory beside DIR, synced, and become visible by one atomic rename.
// Any number of threads may use an EmbeddedLog, one at a time for each upload; a Writer or a
// RowReader belongs to one thread and outlives a remove() or publish() without harm.
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
    // A run of bytes of a file with its hash: the header, or a block of rows of one cell.
    struct Block {
        uint64_t first_row = 0;  // row number of its first row
        uint64_t rows = 0;
        uint64_t offset = 0;  // bytes from the beginning of the file
        uint64_t bytes = 0;
        std::string xxh3_128;  // hex
    };
    struct LogFile {
        std::string name;
        uint64_t bytes = 0;
        uint64_t rows = 0;
        std::string xxh3_128;  // hex, of the whole file, as `xxhsum -H2` prints it
        Block header;          // of no rows
        std::vector<Block> blocks;
    };
    std::vector<LogFile> files;
};

class Writer {
  public:
    virtual ~Writer() = default;  // what is not sealed is removed at the next start of the log
    // Rows of one cell, behind those of the call before. After an error the writer is dead, and
    // the caller removes the upload from the log.
    virtual Result<void> append(const model::RowBatch& batch) = 0;
    // Syncs files, manifest and staging directory. The last call.
    virtual Result<Manifest> seal() = 0;
};

class RowReader {
  public:
    virtual ~RowReader() = default;
    // Fills `batch` (cleared first) with the next rows, all that the log has of one cell, in the
    // order of row_number; false at the end. Each block's hash is compared before its rows are
    // decoded, so what it gives is what was written. Error internal log_damaged otherwise; `batch`
    // is empty then.
    virtual Result<bool> next(model::RowBatch& batch) = 0;
};

class EmbeddedLog {
  public:
    // Opens DIR and DIR-staging (created if missing; on one file system). Removes what was staged
    // and is not sealed, and finishes a publish or a remove that a crash interrupted. What is
    // sealed and not published stays: the caller publishes or removes it.
    static Result<EmbeddedLog> open(std::string directory, bool deflate);

    // Starts afresh: what was staged of the upload is removed.
    Result<std::unique_ptr<Writer>> begin(const model::UploadId& id, uint32_t epoch);
    // Of what is sealed. A higher epoch takes the place of the published one; the same or a lower
    // one is dropped. Again: no error. Error not_found log_not_sealed if there is neither.
    Result<void> publish(const model::UploadId& id);
    bool is_sealed(const model::UploadId& id) const;  // staged and complete
    bool is_published(const model::UploadId& id) const;
    // Of what is published, else of what is sealed. Errors: not_found log_not_sealed, internal
    // log_damaged.
    Result<Manifest> manifest(const model::UploadId& id) const;
    // Reads published rows from the first one of `first_cell` on; bytes before it are not read.
    // Errors: not_found log_not_published, internal log_damaged.
    Result<std::unique_ptr<RowReader>> read(const model::UploadId& id, uint64_t first_cell) const;
    // Staged and published; no error if absent. Once it returns, a crash does not bring it back.
    Result<void> remove(const model::UploadId& id);
    // Every upload that is published or sealed, without order.
    Result<std::vector<model::UploadId>> uploads() const;

  private:
    EmbeddedLog(std::string directory, bool deflate);
    Result<void> recover();
    Result<void> recover_entry(const std::string& name);
    Result<void> replace_published(const model::UploadId& id);
    std::string published_path(const model::UploadId& id) const;
    std::string staged_path(const model::UploadId& id) const;
    std::string directory_, staging_;
    bool deflate_ = false;
};

}  // namespace rh::log
