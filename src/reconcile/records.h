// Physical records of a file in UTF-8, by this room's own reading of RFC 4180: it counts header,
// blank, rejected and other records for the line balance, and lays them out for the engine's CSV
// reader with the record's number before them, and whether the ingest path refused their lines:
//
//   row,refused,created_timestamp,…   →   17,0,2019-10-22 08:20:41,…   (line ends become LF)
//
// It judges structure only (as many fields as the header, quotes that close, a length within the
// limit; of refused records also valid UTF-8, since the engine sees no columns that are ignored);
// values are judged by the engine. A refused record that is wrong in this reading too is dropped,
// and the next one begins behind its lines, whatever its quotes say. Memory: one record and one
// output buffer. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rh::reconcile {

// First and last physical line (from 1) of a record that the ingest path refused.
struct LineRange {
    uint64_t first = 0;
    uint64_t last = 0;
};

struct BadRecord {
    uint64_t row = 0;     // its number among records
    std::string text;     // the beginning of it, at most kExampleBytesMax
    std::string problem;  // a sentence
};
inline constexpr size_t kBadExamplesMax = 20;
inline constexpr size_t kExampleBytesMax = 256;
// The beginning of `text` that an example shows: no more than that, and no cut character.
std::string_view example_of(std::string_view text);
inline constexpr size_t kRecordBytesMax = 1 << 20;  // docs/formats/csv.md

struct RecordCounts {
    uint64_t records = 0;    // all but header and blank lines
    uint64_t kept = 0;       // given to the engine
    uint64_t refused = 0;    // of these, refused by the ingest path
    uint64_t dropped = 0;    // refused by the ingest path, and wrong here too
    uint64_t malformed = 0;  // accepted by the ingest path, and wrong here
    uint64_t blank = 0;
    uint64_t lines = 0;
    bool header = false;
    bool operator==(const RecordCounts&) const = default;
};

class RecordScanner {
  public:
    // `ranges` gives the refused records in the order of the file, nullopt after the last one.
    using Ranges = std::function<Result<std::optional<LineRange>>()>;
    using Sink = std::function<Result<void>(std::string_view)>;  // what the engine shall read
    RecordScanner(char delimiter, Ranges ranges, Sink sink);

    Result<void> feed(std::string_view utf8);
    // Errors of the header (invalid_content): missing_column, duplicate_column, empty_file.
    Result<void> finish();

    const RecordCounts& counts() const { return counts_; }
    const std::vector<BadRecord>& examples() const { return examples_; }
    // Columns of the header that are none of the ten.
    const std::vector<std::string>& ignored_columns() const { return ignored_; }
    // A refused record that begins where this scanner sees none: the two readings disagree.
    std::optional<LineRange> unmatched_range() const { return range_; }

  private:
    enum class Place : uint8_t { record_start, field_start, plain, quoted, quote_in_quoted };

    Result<void> begin_record();
    Result<void> end_record();
    Result<void> end_header(std::string_view record);
    Result<void> end_refused_lines();
    void keep_or_drop_refused(bool well_formed);
    void take(std::string_view text);
    Result<bool> take_plain(const char* at, const char* line_feed);
    void line_end();
    Result<void> flush(size_t bytes_min);
    void malformed(std::string_view record, std::string problem);

    char delimiter_;
    Ranges ranges_;
    Sink sink_;
    std::array<bool, 256> special_{};

    Place place_ = Place::record_start;
    bool after_cr_ = false;         // a LF now belongs to the line end before it
    bool refused_ = false;          // inside the lines of range_
    uint64_t kept_of_refused_ = 0;  // records among them that the engine gets; usually one at most
    bool bad_quote_ = false;
    bool too_long_ = false;
    uint64_t fields_ = 0;   // of this record, delimiters so far + 1
    uint64_t columns_ = 0;  // of the header
    uint64_t line_ = 1;     // the physical line the next byte belongs to
    bool ranges_begun_ = false;
    std::optional<LineRange> range_;

    std::string out_;       // whole records for the engine, then the open one
    size_t record_at_ = 0;  // where the open record begins in out_
    size_t text_at_ = 0;    // and its text, after the number
    RecordCounts counts_;
    std::vector<BadRecord> examples_;
    std::vector<std::string> ignored_;
};

// The delimiter of , ; tab | that parts the ten column names in the first line with more than
// blanks; nullopt if none.
std::optional<char> find_delimiter(std::string_view utf8_head);

}  // namespace rh::reconcile
