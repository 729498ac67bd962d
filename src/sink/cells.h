// Whole cells out of rows in log order. A cell (65,536 consecutive row numbers of an upload in one
// partition of the log) is complete when a row of a later cell arrives or the log of the upload
// ends; only complete cells go to ClickHouse, since a rollup row of a cell replaces an earlier one
// and must hold all of it. A row number that comes twice is kept once. One thread.
#pragma once

#include <optional>

#include "base/result.h"
#include "model/row_batch.h"

namespace rh::sink {

class CellAssembler {
  public:
    // Takes rows of one cell, none of an earlier cell than the last call's (Error internal
    // log_out_of_order). Empties `rows`. Returns the cell that this call completed, if any.
    Result<std::optional<model::RowBatch>> add(model::RowBatch& rows);
    // The end of the upload's log: what is open is complete now.
    std::optional<model::RowBatch> finish();

  private:
    void append_unseen(const model::RowBatch& rows);
    model::RowBatch open_;
};

}  // namespace rh::sink
