// An upload's cells go into ClickHouse while the rest of its file is still being judged. Nobody
// sees them before the upload is committed, and the same cells once more change nothing, so this
// only saves time: whenever something goes wrong (ClickHouse is away, or slow), it gives up, and
// the sink inserts all cells from the log as if nothing had been. One thread takes cells; when it
// has ended, another one (the sink's) finishes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "clickhouse/client.h"
#include "model/row_batch.h"
#include "model/upload_id.h"
#include "sink/cells.h"
#include "sink/inserter.h"

namespace rh::sink {

class Ahead {
  public:
    // How long judging a file may wait for ClickHouse to take a cell.
    static constexpr std::chrono::milliseconds kPatience{2'000};

    Ahead(const clickhouse::Client& owner, const model::UploadId& upload_id, uint32_t partition)
        : upload_id_(upload_id), inserter_(owner, upload_id, partition, kAheadKillPoints) {}

    const model::UploadId& upload_id() const { return upload_id_; }

    // Accepted rows in the order of the file, all of one cell. Takes them and leaves an empty
    // batch, unless it has given up.
    void take(model::RowBatch& rows);

    struct Inserted {
        uint64_t next_cell = 0;  // every cell before it is in ClickHouse
        uint64_t rows = 0;
    };
    // Waits until all that was taken is in ClickHouse. The Error that made it give up, if it has.
    Result<Inserted> finish();

  private:
    Result<void> insert(model::RowBatch& rows);
    Result<void> submit(model::RowBatch cell);

    const model::UploadId upload_id_;
    CellAssembler cells_;
    Inserted inserted_;
    std::optional<Error> error_;
    Inserter inserter_;
};

}  // namespace rh::sink
