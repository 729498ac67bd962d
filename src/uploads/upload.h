// One upload's life. Its states:
//
//   receiving ─(no id yet; a spool directory only)
//       │ original synced, header judged
//   validating ──▶ publishing ──▶ storing ──▶ stored ──void──▶ stored, voided_version set
//       │              │             │
//       ├─▶ refused    └──────┬──────┘        refused: by policy (on_error=abort, max_errors)
//       ├─▶ checked           ▼               checked: a dry run's end; nothing is published
//       └─▶ cancelled       failed            failed: with the problem; may be sent again
//
// The ledger (uploads/ledger.h) is the durable record of it. All times are ms since 1970 UTC.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "csv/encoding.h"
#include "csv/reader.h"
#include "model/totals.h"
#include "model/upload_id.h"

namespace rh::uploads {

enum class State : uint8_t {
    validating,
    publishing,
    storing,
    stored,
    failed,
    refused,
    cancelled,
    checked,
};
inline constexpr size_t kStateCount = 8;
using StateCounts = std::array<uint64_t, kStateCount>;  // indexed by State
std::string_view name(State state);
std::optional<State> parse_state(std::string_view text);
constexpr bool is_final(State state) { return state >= State::stored; }
// Ended without being stored: the same file may be sent again, and is then judged anew.
constexpr bool may_start_again(State state) { return state > State::stored; }

// The version of the row rules: part of an upload's id, so that a program with other rules does not
// take an old upload for the same.
inline constexpr int kRulesVersion = 1;

// What the sender asked for.
struct Request {
    std::string filename;                          // as the sender named it; without directories
    csv::Encoding encoding = csv::Encoding::utf8;  // resolved: detected or asked for
    bool encoding_detected = true;
    bool bom = false;
    csv::Options csv;             // resolved delimiter, timezone, empty_amount, allow_negative
    bool abort_on_error = false;  // on_error=abort
    std::optional<uint64_t> errors_max;  // max_errors=N
    bool dry_run = false;
    std::string label;  // allow_duplicate=LABEL
    std::optional<model::UploadId> replaces;
};

// Of an upload that another process was sent as well, and stored first.
inline constexpr std::string_view kStoredElsewhere = "stored_elsewhere";

struct Warning {
    std::string code;    // duplicate_game_instance_id | overlapping_upload | audit_mismatch …
    std::string detail;  // a sentence with counts
    uint64_t count = 0;
    std::string upload_id;  // of the other upload, for overlapping_upload
};

struct Upload {
    model::UploadId id;
    State state = State::validating;
    Request request;
    uint64_t bytes = 0;  // of the original, unpacked
    std::string sha256;  // of the original, unpacked, hex
    model::RowCounts rows;
    model::Totals totals;  // of accepted rows
    std::array<uint64_t, 4> empty_amounts{};
    std::vector<std::string> ignored_columns;        // the beginning of names that are long
    std::map<std::string, uint64_t> faults;          // reject code → count
    int64_t created_ms_min = 0, created_ms_max = 0;  // of accepted rows; 0, 0 if there are none
    uint32_t epoch = 1;
    uint64_t checkpoint_cell = 0;  // cells below it are durable in ClickHouse
    std::optional<uint64_t> stored_version, voided_version;
    int64_t created_at = 0;
    std::optional<int64_t> finished_at;
    std::string error_code, error_message;  // of failed and refused
    std::vector<Warning> warnings;
    std::string trace_id;
    std::string held_by;  // the process that has its original and rejects; empty: this one
};

// The options of two uploads of the same bytes that differ and change rows, as the API names them,
// each with both values: "delimiter (, here, ; there), timezone (+00:00 here, +02:00 there)".
std::string differing_options(const Request& here, const Request& there);
// "+02:00" for 120.
std::string timezone_text(int32_t offset_minutes);
// "comma", "semicolon", "tab", "pipe".
std::string_view delimiter_name(char delimiter);

// How far a running upload is; in memory only, kept by uploads/progress.h.
struct Progress {
    std::string_view stage;  // "validating", "publishing", "storing", then the final state
    uint64_t rows = 0;
    uint64_t bytes = 0;
    uint64_t of_bytes = 0;
};

}  // namespace rh::uploads
