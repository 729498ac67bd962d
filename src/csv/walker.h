// Goes from record to record over chunks (csv/splitter.h): merges CRLF, skips lines without a byte,
// counts physical lines. One thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "csv/splitter.h"
#include "model/reject.h"

namespace rh::csv {

// Added to 1 it is the first byte of the chunk.
inline constexpr uint32_t kBeforeChunk = ~uint32_t{0};
// What is kept of a record that is too long: enough for the value of a reject.
inline constexpr size_t kBeginningBytes = 4 * model::kFaultValueCharactersMax + 4;

// Valid as long as its chunk is.
struct Record {
    std::string_view text;  // without the line end; if too long: its beginning
    const char* data = nullptr;
    // Field f is what stands between bounds[f] and bounds[f + 1], both excluded, in `data`.
    // Not there if the record is too long.
    const uint32_t* bounds = nullptr;
    uint32_t fields = 0;
    uint8_t flags = 0;      // csv/scan.h
    bool too_long = false;  // more than kRecordBytesMax bytes
    bool unclosed = false;  // the file ends inside quotes
    uint64_t line = 0;
    uint64_t line_last = 0;

    std::string_view field(uint32_t f) const {
        const uint32_t begin = bounds[f] + 1;  // wraps to 0 for the first field of the chunk
        return {data + begin, bounds[f + 1] - begin};
    }
};

class Walker {
  public:
    // Goes on with `chunk`, which must stay as it is until the walk over it is done.
    void begin(const Chunk& chunk);
    // The next record of the chunk; false if there is none.
    bool next(Record& record);

    // Lines that were walked over, and those of them without a byte.
    uint64_t lines() const { return line_ - 1; }
    uint64_t empty_lines() const { return empty_lines_; }
    // Lines that another one has walked over.
    void skip_lines(uint64_t lines) { line_ += lines; }

  private:
    uint32_t begin_of_record() const { return index_[first_ - 1] + 1; }
    bool last_record(Record& record);
    void describe(uint32_t end, Record& record);
    void describe_broken(Record& record);

    const Chunk* chunk_ = nullptr;
    const char* bytes_ = nullptr;
    const uint32_t* index_ = nullptr;
    uint32_t first_ = 1;  // index_[first_ - 1] is the place before the next record
    uint32_t next_end_ = 0;
    uint32_t end_count_ = 0;
    bool after_cr_ = false;
    bool long_ = false;  // the next record is the chunk's continued one
    bool at_end_ = false;
    BreakCounter breaks_;  // of the last record that has some
    uint64_t line_ = 1;
    uint64_t empty_lines_ = 0;
};

inline bool Walker::next(Record& record) {
    while (next_end_ < end_count_) {
        const uint32_t last = chunk_->ends[next_end_];
        const uint32_t end = index_[last];
        const bool empty = begin_of_record() == end && !long_;
        if (empty && after_cr_ && bytes_[end] == '\n') {  // the second half of CRLF
            after_cr_ = false;
            first_ = last + 1;
            ++next_end_;
            continue;
        }
        after_cr_ = bytes_[end] == '\r';
        if (empty) {
            ++line_;
            ++empty_lines_;
            first_ = last + 1;
            ++next_end_;
            continue;
        }
        record.fields = last - first_ + 1;
        record.flags = chunk_->flags[next_end_];
        describe(end, record);
        first_ = last + 1;
        ++next_end_;
        ++line_;
        return true;
    }
    return at_end_ && last_record(record);
}

// Sets everything but `fields` and `flags` of the record that ends before `end`, and moves line_ to
// its last line.
inline void Walker::describe(uint32_t end, Record& record) {
    const uint32_t from = begin_of_record();
    record.data = bytes_;
    record.bounds = index_ + first_ - 1;
    record.text = {bytes_ + from, end - from};
    record.line = line_;
    record.line_last = line_;
    record.too_long = false;
    record.unclosed = false;
    if ((record.flags & kHasInnerBreak) != 0 || end - from > kRecordBytesMax || long_)
        [[unlikely]] {
        describe_broken(record);
    }
}

}  // namespace rh::csv
