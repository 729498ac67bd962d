// The tables of the ledger's SQLite file, by steps: PRAGMA user_version says how many of them a
// file has had. A step is never edited once it was released; a change is a new step.
#pragma once

#include "base/result.h"
#include "uploads/sqlite.h"

namespace rh::uploads {

// Runs the steps that are missing, each in a transaction. Error internal ledger_too_new.
Result<void> migrate_ledger(Database& database);

}  // namespace rh::uploads
