// The log as publish, sink and app see it: the embedded one (log/embedded_log.h) or Kafka
// (kafka_log/kafka_log.h). Any number of threads may use a Log, one at a time for each upload; a
// Writer or a RowReader belongs to one thread and outlives a remove() or publish() without harm.
//
//   begin() ──append()*──seal()──▶ staged ──publish()──▶ published ──remove()
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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
    // Of the log, of the rows that next() gave last. Rows come partition by partition.
    virtual uint32_t partition() const = 0;
};

// Whether only writing the log again, from the original, helps against the Error: rows that were
// altered or lost.
inline bool is_unusable(const Error& error) {
    return error.code == "log_damaged" || error.code == "avro_damaged" ||
           error.code == "log_out_of_order" || error.code == "log_not_published" ||
           error.code == "log_not_sealed" || error.code == "file_error" ||
           error.code == "file_not_found";
}

class Log {
  public:
    virtual ~Log() = default;
    // Starts afresh: what was staged of the upload is removed. With `keep_going` nothing can refuse
    // the rows any more, and the log may publish some of them before it has all; it is asked now
    // and then while the Writer waits, and its Error ends that.
    using KeepGoing = std::function<Result<void>()>;
    virtual Result<std::unique_ptr<Writer>> begin(const model::UploadId& id, uint32_t epoch,
                                                  const KeepGoing& keep_going) = 0;
    // Of what is sealed. A higher epoch takes the place of the published one; the same or a lower
    // one is dropped. Again: no error. `on_progress` (may be empty) is called with the rows that
    // are published so far; its Error ends the call, which may be made again and then goes on.
    // Errors: not_found log_not_sealed if there is neither, unavailable (retry) what may pass.
    using OnProgress = std::function<Result<void>(uint64_t rows)>;
    virtual Result<void> publish(const model::UploadId& id, const OnProgress& on_progress) = 0;
    // Of what is published, else of what is sealed. Errors: not_found log_not_sealed, internal
    // log_damaged.
    virtual Result<Manifest> manifest(const model::UploadId& id) const = 0;
    // Reads published rows; of those in partition 0, from the first one of `first_cell` on, if the
    // log has only that partition. Errors: not_found log_not_published, internal log_damaged.
    virtual Result<std::unique_ptr<RowReader>> read(const model::UploadId& id,
                                                    uint64_t first_cell) const = 0;
    // Staged and published; no error if absent. Once it returns, a crash does not bring it back.
    virtual Result<void> remove(const model::UploadId& id) = 0;
    // The rows are about to be written again from the original, the same ones, because those that
    // are here are damaged: drops these.
    virtual Result<void> drop_damaged(const model::UploadId& id) = 0;
    // Every upload whose rows are on this machine, published or sealed, without order.
    virtual Result<std::vector<model::UploadId>> uploads() const = 0;
};

}  // namespace rh::log
