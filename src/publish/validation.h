// One pass over an upload's original: every row judged, good ones to the log, refused ones to the
// reject file. Computed from the original alone, so it can be run again at any time and gives the
// same. One thread calls; a second one encodes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "csv/reader.h"
#include "log/log.h"
#include "model/row_batch.h"
#include "publish/duplicate_ids.h"
#include "publish/game_hours.h"
#include "uploads/upload.h"

namespace rh::publish {

using TakeRows = std::function<void(model::RowBatch&)>;

struct ValidationInput {
    const uploads::Upload& upload;
    std::string original;        // paths
    std::string rejects;         // written anew
    std::string spill;           // of a temporary file
    log::Writer* log = nullptr;  // nullptr: nothing is published (a dry run)
    // Accepted rows, in order, after they are in the log; may take the content. Called on the
    // encoding thread. Empty: nobody wants them.
    TakeRows take_rows = {};
    GameHours* game_hours = nullptr;  // gets those of accepted rows, on that thread too
    // How many refused rows the policy bears. With one more, rows are judged on for the report, but
    // go to the log no longer.
    uint64_t rejects_max = UINT64_MAX;
    // Called now and then with rows and bytes (unpacked) seen so far; its Error ends the pass.
    std::function<Result<void>(uint64_t rows, uint64_t bytes)> on_progress;
};

struct Validated {
    csv::Report report;
    DuplicateIds::Count duplicates;
    bool within_policy = true;  // rejects <= rejects_max, so the log has all accepted rows
};

// The reject file is synced, the log is not sealed yet. Errors: of the original (internal
// original_damaged, original_missing), of the file's content (invalid_content), of writing
// (storage_full, internal), of on_progress.
Result<Validated> validate(const ValidationInput& input);

}  // namespace rh::publish
