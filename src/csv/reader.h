// CSV bytes → validated rows and rejects. Pure: no I/O, no exceptions. The steps in
// order: scan (structure by SIMD masks: delimiters, quotes, line ends) → fields → header (names to
// columns) → validate (the row rules of docs/formats/csv.md) → RowBatch or Reject.
//
// Input is UTF-8 (csv/encoding.h turns other encodings into it), fed in pieces of any size; the
// result never depends on where the pieces are cut. Invalid UTF-8 inside a row refuses that row.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "csv/target.h"
#include "model/reject.h"
#include "model/row_batch.h"
#include "model/totals.h"

namespace rh::csv {

struct Options {
    char delimiter = ',';                 // one of , ; tab |
    int32_t timezone_offset_minutes = 0;  // for timestamps without an offset of their own
    bool empty_amount_is_reject =
        false;                    // empty_amount=reject; default: no amount is zero, and counted
    bool allow_negative = false;  // negative amounts are accepted
};

// Takes what the reader finds. Rows come in the order of the file, and so do rejects; the two kinds
// are not ordered against each other (rows are handed over at the end of each cell, on several
// threads also before, rejects some hundreds at a time). The batch is cleared after the call, so a
// consumer that keeps rows swaps the batch for an empty one of its own. The rejects are gone after
// the call.
class Consumer {
  public:
    virtual ~Consumer() = default;
    virtual Result<void> on_rows(model::RowBatch& batch) = 0;
    virtual Result<void> on_rejects(std::span<const model::Reject> rejects) = 0;
};

struct Report {
    model::RowCounts rows;
    model::Totals totals;                          // of accepted rows
    std::array<uint64_t, 4> empty_amounts{};       // accepted rows without that amount, by Amount
    std::vector<std::string> ignored_columns;      // extra columns of the header
    std::vector<std::string> header;               // as it stands in the file, blanks trimmed
    std::map<model::RejectCode, uint64_t> faults;  // how often each code was given
    int64_t created_ms_min = INT64_MAX;            // of accepted rows
    int64_t created_ms_max = INT64_MIN;
    bool ends_in_line = false;  // no line end stands at the end of the file: it may have been cut
};

// How the work is done; the result is the same. Only tests and benchmarks choose more than threads.
struct Work {
    Target target = best_target();
    // At least 1. With more the consumer is still called by the caller's alone, with the same rows
    // and rejects in the same order.
    unsigned threads = 1;
    size_t chunk_bytes = 0;  // read at once; 0: what is best
};

class Reader {
  public:
    Reader(const Options& options, Consumer& consumer, const Work& work = {});
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // Errors (all ErrorKind::invalid_content) are of the file as a whole, and only the header makes
    // them: missing_column, duplicate_column, too_many_columns, header_unreadable (binary, bad
    // UTF-8, unclosed quote). An Error of the consumer is passed through. After an error the reader
    // is dead.
    Result<void> feed(std::string_view utf8);
    // The end of the file: judges the last record. Errors also: empty_file, no_rows (header only).
    Result<void> finish();
    // `rows` and `faults` are those of what was handed over or waits for it: on one thread, after
    // each feed(), of all that was fed but its last record. The rest is complete after finish().
    const Report& report() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace rh::csv
