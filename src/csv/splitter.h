// Bytes in pieces of any size → chunks of whole records. Keeps what is unfinished for the chunk
// after it, and holds no more than one record of kRecordBytesMax: of a longer one only the
// beginning is kept, and reading goes on behind its end. A quote decides across chunks where a
// record ends, so the scan goes through the file in order; what it found can be walked over
// (csv/walker.h) by any thread. What comes out does not depend on how the bytes were cut. One
// thread; no exceptions.
//
//   fill()* until full(), then a walk over chunk() and carry(), or swap_out() and a walk elsewhere;
//   finish() and a walk over chunk() at the end
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

// Records, and where they and their fields end. Begins with the beginning of a record.
struct Chunk {
    std::vector<char> bytes;      // [0, filled) of the file, and slack
    std::vector<uint32_t> index;  // places of structural bytes, from entry 1 on; entry 0: before
    std::vector<uint32_t> ends;   // which entries of `index` are line ends
    std::vector<uint8_t> flags;   // of the records before them
    size_t filled = 0;
    uint32_t index_count = 1;
    uint32_t end_count = 0;
    // What was before it: a CR that ended a record; the beginning of a record that is too long.
    bool after_cr = false;
    bool continues_long = false;
    std::string beginning;
    BreakCounter breaks;  // of what was dropped of that record
    // The file ends with it: what stands behind its last line end is a record too, with these
    // flags, perhaps inside quotes. index[index_count] is `filled`.
    bool last = false;
    bool unclosed = false;
    uint8_t rest_flags = 0;
};

class Splitter {
  public:
    // A chunk is full() with `chunk_bytes` new bytes.
    Splitter(char delimiter, Target target, size_t chunk_bytes);

    // Takes bytes off the front of `piece`; only if full() none.
    void fill(std::string_view& piece);
    bool full() const { return taken_ == chunk_bytes_; }
    // No more bytes will come: chunk() is the last one.
    void finish();
    const Chunk& chunk() const { return chunk_; }
    // Drops the records of the chunk and keeps what is unfinished.
    void carry();
    // As carry(), with the chunk itself given away; the memory of what `chunk` was is used again.
    // False, with nothing done, if the chunk has no whole record.
    bool swap_out(Chunk& chunk);

    uint64_t bytes_held() const {
        return chunk_.bytes.size() + 4 * (chunk_.index.size() + chunk_.ends.size()) +
               chunk_.flags.size();
    }

  private:
    ScanOutput room_for(size_t blocks);
    void take_over(const ScanOutput& out);
    void keep_rest(const Chunk& from);

    const char delimiter_;
    const ScanFunction scan_;
    const size_t chunk_bytes_;
    ScanState state_;
    Chunk chunk_;
    size_t scanned_ = 0;  // of chunk_.filled: whole blocks from the last scan's end on
    size_t taken_ = 0;    // new bytes in the chunk
};

}  // namespace rh::csv
