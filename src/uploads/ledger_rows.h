// An Upload as rows of the ledger's tables, and back. Called inside a transaction or under the
// ledger's mutex.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "uploads/sqlite.h"
#include "uploads/upload.h"

namespace rh::uploads {

// The columns of `uploads` that read_upload takes, in its order.
#define RH_UPLOAD_COLUMNS                                                                         \
    "id, state, filename, encoding, encoding_detected, bom, delimiter, timezone_offset_minutes, " \
    "empty_amount_is_reject, allow_negative, abort_on_error, errors_max, dry_run, label, "        \
    "replaces, bytes, sha256, trace_id, created_at, rows_read, rows_accepted, rows_rejected, "    \
    "rows_blank, total_rows, total_real_amount_bet, total_bonus_amount_bet, "                     \
    "total_real_amount_win, total_bonus_amount_win, empty_real_amount_bet, "                      \
    "empty_bonus_amount_bet, empty_real_amount_win, empty_bonus_amount_win, created_ms_min, "     \
    "created_ms_max, epoch, checkpoint_cell, stored_version, voided_version, finished_at, "       \
    "error_code, error_message, held_by"

Result<model::UploadId> take_id(Statement& row);
// All uploads that a bound `SELECT RH_UPLOAD_COLUMNS FROM uploads …` gives.
Result<std::vector<Upload>> read_uploads(Database& database, Statement& select);
Result<std::optional<Upload>> read_upload(Database& database, const model::UploadId& id);

Result<void> insert_upload(Database& database, const Upload& upload);
// Writes what may change after creation, where the stored state is `expected`; false if it is not.
Result<bool> update_upload(Database& database, const Upload& upload, State expected);
Result<void> write_warnings(Database& database, const model::UploadId& id,
                            const std::vector<Warning>& warnings);
Result<void> delete_upload(Database& database, const model::UploadId& id);

}  // namespace rh::uploads
