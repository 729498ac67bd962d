// A reconciliation as clients see it, and its durable form DIR/reconciliations/ID/record.json.
// Times are ms since 1970 UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/totals.h"
#include "model/upload_id.h"
#include "reconcile/charset.h"
#include "reconcile/engine_sql.h"

namespace rh::reconcile {

enum class RunState : uint8_t { running, done, failed };

struct Warning {
    std::string code;    // line_balance | control_totals | rows_rejected | rows_out_of_scope |
                         // scope_uncertain …
    std::string detail;  // a sentence with the figures
    uint64_t count = 0;
};

struct RejectedRow {
    uint64_t row = 0;  // its number among records
    std::string detail;
};

// What a sender of a statement says about it. Absent: found out.
struct StatementOptions {
    std::string filename;
    std::optional<Charset> charset;
    std::optional<char> delimiter;
    int32_t timezone_offset_minutes = 0;
    bool allow_negative = false;
    bool empty_amount_is_invalid = false;
};

struct Reconciliation {
    std::string id;  // a UUID
    std::optional<model::UploadId> upload_id;
    std::optional<StatementOptions> statement;  // exactly one of the two
    Scope scope;  // of a statement: as asked, then completed from the statement itself
    RunState state = RunState::running;
    bool matched = false;  // once done
    model::Totals original, stored, aggregated;
    model::RowCounts rows;
    uint64_t discrepancies = 0;
    uint64_t version = 0;  // which one was compared
    std::vector<Warning> warnings;
    std::vector<RejectedRow> rejected_examples;  // of a statement
    std::string error_code, error_message;       // once failed
    int64_t created_at = 0;
    std::optional<int64_t> finished_at;
};

// The JSON that the API answers with.
std::string to_json(const Reconciliation& reconciliation);
// The same with what only a restart needs.
std::string to_record(const Reconciliation& reconciliation);
Result<Reconciliation> parse_record(std::string_view text);

// A random UUID (version 4).
std::string new_id();
bool is_id(std::string_view text);  // a UUID in lower case

}  // namespace rh::reconcile
