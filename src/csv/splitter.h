// Bytes in pieces of any size → records. Keeps what is unfinished, counts physical lines, merges
// CRLF, and holds no more than one record of kRecordBytesMax: of a longer one only the beginning is
// kept, and reading goes on behind its end. What comes out does not depend on how the bytes were
// cut. One thread; no exceptions.
//
//   fill() ──next()*──release()  for each piece;  finish() ──next()*  at the end
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "csv/scan.h"

namespace rh::csv {

inline constexpr size_t kRecordBytesMax = 1024 * 1024;

// Line breaks (LF, CRLF, CR) in text that comes in pieces.
struct BreakCounter {
    uint64_t breaks = 0;
    bool after_cr = false;
    bool at_break = false;  // the last byte was one
    void add(std::string_view text);
};

// Valid until release().
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
        const uint32_t begin = bounds[f] + 1;  // wraps to 0 for the first field of the buffer
        return {data + begin, bounds[f + 1] - begin};
    }
};

class Splitter {
  public:
    Splitter(char delimiter, Target target);

    // Takes bytes off the front of `piece` (never none, if it has any).
    void fill(std::string_view& piece);
    // No more bytes will come.
    void finish();
    // The next record that is complete; false if there is none. Lines without a byte are counted
    // and skipped.
    bool next(Record& record);
    // Frees the memory of the records that next() gave.
    void release();

    uint64_t empty_lines() const { return empty_lines_; }
    uint64_t bytes_held() const {
        return buffer_.size() + 4 * (index_.size() + ends_.size()) + flags_.size();
    }

  private:
    ScanOutput room_for(size_t blocks);
    uint32_t begin() const { return index_[first_ - 1] + 1; }
    bool last_record(Record& record);
    void describe(uint32_t end, Record& record);
    void describe_broken(uint32_t end, Record& record);
    void absorb(uint32_t end);

    char delimiter_;
    ScanFunction scan_;
    ScanState state_;
    std::vector<char> buffer_;  // [0, filled_) are bytes of the file, [0, scanned_) are scanned
    size_t filled_ = 0;
    size_t scanned_ = 0;           // a multiple of 64 until finish()
    std::vector<uint32_t> index_;  // [first_ - 1] is the place before the next record
    std::vector<uint32_t> ends_;
    std::vector<uint8_t> flags_;  // of the records before ends_
    uint32_t first_ = 1;
    uint32_t index_count_ = 1;
    uint32_t end_count_ = 0;
    uint32_t next_end_ = 0;
    uint64_t line_ = 1;
    uint64_t empty_lines_ = 0;
    bool after_cr_ = false;
    bool finished_ = false;
    bool absorbing_ = false;  // inside a record that is too long
    std::string beginning_;   // of that record
    BreakCounter absorbed_;   // its line breaks
};

inline bool Splitter::next(Record& record) {
    while (next_end_ < end_count_) {
        const uint32_t last = ends_[next_end_++];
        const uint32_t end = index_[last];
        const bool empty = begin() == end && !absorbing_;
        if (empty && after_cr_ && buffer_[end] == '\n') {  // the second half of CRLF
            after_cr_ = false;
            first_ = last + 1;
            continue;
        }
        after_cr_ = buffer_[end] == '\r';
        if (empty) {
            ++line_;
            ++empty_lines_;
            first_ = last + 1;
            continue;
        }
        record.fields = last - first_ + 1;
        record.flags = flags_[next_end_ - 1];
        describe(end, record);
        first_ = last + 1;
        ++line_;
        return true;
    }
    return finished_ && last_record(record);
}

// Sets everything but `fields` and `flags` of the record that ends before `end`, and moves line_ to
// its last line.
inline void Splitter::describe(uint32_t end, Record& record) {
    const uint32_t from = begin();
    record.data = buffer_.data();
    record.bounds = index_.data() + first_ - 1;
    record.text = {buffer_.data() + from, end - from};
    record.line = line_;
    record.line_last = line_;
    record.too_long = false;
    record.unclosed = false;
    if ((record.flags & kHasInnerBreak) != 0 || end - from > kRecordBytesMax || absorbing_)
        [[unlikely]] {
        describe_broken(end, record);
    }
}

}  // namespace rh::csv
