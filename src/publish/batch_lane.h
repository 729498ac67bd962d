// A bounded hand-over of batches from the thread that parses to the one that encodes: at most
// kBatchesMax are under way, so memory stays flat and a slow side slows the other. Batches go round
// and keep their memory.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "model/row_batch.h"

namespace rh::publish {

class BatchLane {
  public:
    static constexpr size_t kBatchesMax = 2;  // waiting; one more is being worked on

    // Starts a thread that gives each batch to `work`, in order. The first Error ends it.
    explicit BatchLane(std::function<Result<void>(const model::RowBatch&)> work);
    ~BatchLane();  // drops what waits
    BatchLane(const BatchLane&) = delete;
    BatchLane& operator=(const BatchLane&) = delete;

    // Takes the rows and leaves an empty batch. The worker's Error, if it had one.
    Result<void> push(model::RowBatch& batch);
    // Waits until all is worked off. The last call.
    Result<void> finish();

  private:
    void run();

    const std::function<Result<void>(const model::RowBatch&)> work_;
    std::mutex mutex_;  // guards all but the thread
    std::condition_variable changed_;
    std::vector<model::RowBatch> waiting_;  // oldest first
    std::vector<model::RowBatch> empty_;
    bool ended_ = false;    // nothing more is pushed
    bool dropped_ = false;  // what waits is not wanted
    std::optional<Error> error_;
    std::thread thread_;
};

}  // namespace rh::publish
