// Cells on their way into ClickHouse. A cell is sent as soon as it is there, as a Native block of
// its own; kCellsPerInsert of them make one INSERT, which ClickHouse gathers and stores as one part
// of each table. So it is the engine that holds the gathered rows, and this side a few cells,
// whatever the size of the file. One INSERT at a time takes cells; the ones before it wait for
// their answers. After a failed insert nothing more is sent and every call says that error; the
// sink then starts again from its checkpoint with a new Inserter. Used by one thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "clickhouse/client.h"
#include "clickhouse/native_block.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::sink {

// 524,288 rows: half as many cost ClickHouse a third more processor time, most of it in merges;
// twice as many cost the same.
inline constexpr size_t kCellsPerInsert = 8;
inline constexpr unsigned kInsertsInFlight = 3;

// Names for kill_point(), by who inserts.
struct InsertKillPoints {
    std::string_view before;
    std::string_view after;
};
inline constexpr InsertKillPoints kSinkKillPoints{"sink_before_insert", "sink_after_insert"};
inline constexpr InsertKillPoints kAheadKillPoints{"ahead_before_insert", "ahead_after_insert"};

class Inserter {
  public:
    Inserter(const clickhouse::Client& owner, const model::UploadId& upload_id, uint32_t partition,
             const InsertKillPoints& kill_points);
    ~Inserter();  // waits for what is being sent

    // A whole cell. Waits until the one before it is being sent, but not longer than `patience`
    // (Error unavailable clickhouse_busy).
    Result<void> submit(model::RowBatch cell,
                        std::chrono::milliseconds patience = std::chrono::hours(24));
    // Returns when all cells are in ClickHouse.
    Result<void> drain();

  private:
    void run();
    Result<void> send_insert();
    void stop_feeding();
    // The body of an INSERT: the pieces of the current cell's block, then those of the next one.
    struct Body {
        std::vector<std::string_view> pieces;
        size_t sent = 0;
        size_t cells = 0;
    };
    Result<std::string_view> next_piece(Body& body);
    std::optional<model::RowBatch> take_cell();

    const clickhouse::Client& owner_;
    const InsertKillPoints kill_points_;
    const model::UploadId upload_id_;
    clickhouse::NativeBlock block_;  // of the thread that set feeding_
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<model::RowBatch> next_;  // guarded by mutex_, like all below
    bool feeding_ = false;                 // an INSERT is taking cells
    unsigned sending_ = 0;                 // INSERTs without an answer
    bool draining_ = false;
    bool ending_ = false;
    std::optional<Error> error_;
    std::vector<std::jthread> threads_;
};

}  // namespace rh::sink
