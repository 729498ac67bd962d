#include "uploads/ledger_schema.h"

#include <array>

#include <fmt/format.h>

namespace rh::uploads {
namespace {

constexpr std::array kSteps = {
    R"sql(
CREATE TABLE uploads (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL,
    -- what the sender asked for
    filename TEXT NOT NULL,
    encoding TEXT NOT NULL,
    encoding_detected INTEGER NOT NULL,
    bom INTEGER NOT NULL,
    delimiter TEXT NOT NULL,
    timezone_offset_minutes INTEGER NOT NULL,
    empty_amount_is_reject INTEGER NOT NULL,
    allow_negative INTEGER NOT NULL,
    abort_on_error INTEGER NOT NULL,
    errors_max INTEGER,
    dry_run INTEGER NOT NULL,
    label TEXT NOT NULL,
    replaces BLOB,
    -- the content
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- what became of it; money as decimal text, since a sum may need more than 64 bits
    rows_read INTEGER NOT NULL,
    rows_accepted INTEGER NOT NULL,
    rows_rejected INTEGER NOT NULL,
    rows_blank INTEGER NOT NULL,
    total_rows INTEGER NOT NULL,
    total_real_amount_bet TEXT NOT NULL,
    total_bonus_amount_bet TEXT NOT NULL,
    total_real_amount_win TEXT NOT NULL,
    total_bonus_amount_win TEXT NOT NULL,
    empty_real_amount_bet INTEGER NOT NULL,
    empty_bonus_amount_bet INTEGER NOT NULL,
    empty_real_amount_win INTEGER NOT NULL,
    empty_bonus_amount_win INTEGER NOT NULL,
    created_ms_min INTEGER NOT NULL,
    created_ms_max INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    checkpoint_cell INTEGER NOT NULL,
    stored_version INTEGER UNIQUE,
    voided_version INTEGER,
    finished_at INTEGER,
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_newest ON uploads (created_at DESC, id DESC);
CREATE INDEX uploads_sha256 ON uploads (sha256);
CREATE INDEX uploads_state ON uploads (state, created_at);
CREATE INDEX uploads_replaces ON uploads (replaces) WHERE replaces IS NOT NULL;

CREATE TABLE ignored_columns (
    upload_id BLOB NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (upload_id, position)
) WITHOUT ROWID;
CREATE TABLE faults (
    upload_id BLOB NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    code TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (upload_id, code)
) WITHOUT ROWID;
CREATE TABLE warnings (
    upload_id BLOB NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    code TEXT NOT NULL,
    other_upload_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (upload_id, code, other_upload_id)
) WITHOUT ROWID;

-- One row: the version that readers see, the last number given out, and who holds it.
CREATE TABLE versions (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    current INTEGER NOT NULL,
    last_reserved INTEGER NOT NULL,
    reserved_for BLOB REFERENCES uploads (id),
    CHECK (current <= last_reserved)
);
INSERT INTO versions VALUES (1, 0, 0, NULL);
)sql",
    "ALTER TABLE uploads ADD COLUMN held_by TEXT NOT NULL DEFAULT '';",
};

Result<int64_t> user_version(Database& database) {
    RH_ASSIGN(Statement statement, database.use("PRAGMA user_version"));
    RH_TRY(statement.step());
    return statement.take_integer();
}

}  // namespace

Result<void> migrate_ledger(Database& database) {
    RH_ASSIGN(const int64_t had, user_version(database));
    if (had > static_cast<int64_t>(kSteps.size())) {
        return fail(ErrorKind::internal, "ledger_too_new",
                    fmt::format("The ledger was written by a newer program (its format is {}, this "
                                "program knows {}). Start that program again.",
                                had, kSteps.size()));
    }
    for (size_t step = static_cast<size_t>(had); step < kSteps.size(); ++step) {
        RH_ASSIGN(Transaction transaction, Transaction::begin(database));
        RH_TRY(database.execute(kSteps[step]));
        RH_TRY(database.execute(fmt::format("PRAGMA user_version = {}", step + 1).c_str()));
        RH_TRY(transaction.commit());
    }
    return {};
}

}  // namespace rh::uploads
