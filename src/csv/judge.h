// Records → rows and rejects: fields by column without their quotes (csv/quoting.h), the row rules
// (csv/row.h). Walks over one chunk after another; several can walk over chunks of the same file at
// once. Each object: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "csv/header.h"
#include "csv/quoting.h"
#include "csv/rejects.h"
#include "csv/row.h"
#include "csv/walker.h"
#include "model/row_batch.h"

namespace rh::csv {

// What was found in records. Row numbers and lines count from where the walk began.
struct Judged {
    uint64_t records = 0;  // without blank ones
    uint64_t accepted = 0;
    uint64_t blank_lines = 0;                 // lines of blanks; the walker counts empty ones
    std::array<uint64_t, 4> empty_amounts{};  // accepted rows without that amount, by Amount
    model::RowBatch rows;
    RejectPool rejects;

    void clear();  // keeps its memory
};

class Judge {
  public:
    Judge(const RowRules& rules, Header header);

    // Judges the walker's records until its chunk ends (false), or until `judged` has so many
    // records or rejects (true: call again; both limits must not be reached before). The rows in
    // `judged` must be left alone until flush().
    bool judge(Walker& walker, uint64_t records_max, size_t rejects_max, Judged& judged);
    // All rows that were judged are in `judged.rows`.
    void flush(Judged& judged) { block_.close(judged.rows); }

  private:
    void judge_one(const Record& record, Judged& judged);
    void judge_carefully(const Record& record, Judged& judged);
    void refuse_structure(const Record& record, Judged& judged) const;
    void refuse_count(const Record& record, Judged& judged);
    void gather(const Record& record, RowFields& fields, KnownFaults& known);
    void refuse(const Record& record, const RowFields& fields, const RowMarks& marks,
                Judged& judged);

    const RowRules rules_;
    const Header header_;
    RowBlock block_;  // of the rows of what is judged now
    Scratch scratch_;
    // Faults of extra columns of the record at hand.
    std::vector<std::pair<model::RejectCode, std::string_view>> extra_faults_;
};

// Whether a record is a line of nothing but blanks.
bool is_blank(const Record& record);

}  // namespace rh::csv
