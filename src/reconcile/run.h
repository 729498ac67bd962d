// One reconciliation from its first byte to its verdict. Blocking; call it from a thread that lives
// as long as the call, since the engine's process dies with the thread that started it.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "clickhouse/store.h"
#include "reconcile/record.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"

namespace rh::reconcile {

struct RunContext {
    std::string program;  // this binary
    std::string libchdb;  // empty: where the program looks for it
    const clickhouse::Store& store;
    const uploads::Ledger& ledger;
    const uploads::Layout& layout;
    std::function<bool()> stopping;  // true: give up with the error kInterrupted
};
inline constexpr std::string_view kInterrupted = "interrupted";

// Names of the files in a reconciliation's directory.
inline constexpr std::string_view kRecordFile = "record.json";
inline constexpr std::string_view kFindingsFile = "discrepancies.ndjson";
inline constexpr std::string_view kStatementFile = "statement.csv";
inline constexpr std::string_view kScratchDirectory = "engine";
// What the engine answers: figures by key, and what a statement covers.
inline constexpr std::string_view kKeysFile = "original.keys";
inline constexpr std::string_view kExtentFile = "extent.json";

// Fills everything but id, state, created_at and finished_at of `reconciliation`, and writes the
// discrepancies. It is matched only if all sides were read to their end and agree in rows, sums,
// content, line balance and control totals. An Error: there is no verdict.
Result<void> run(const RunContext& context, const std::string& directory,
                 Reconciliation& reconciliation);

}  // namespace rh::reconcile
