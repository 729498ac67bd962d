// The refused rows of an upload as a file: one JSON line a reject, in the order of the file,
//
//   {"line":7,"line_last":7,"row":6,"faults":[{"column":"user_id","code":"missing_value",
//    "value":"","detail":"…"}]}          ("column" is null for a fault of the row as a whole)
//
// The first pass over a file that was cut off by a crash is written again from the start and gives
// the same bytes, so a byte offset at a line's start is a cursor that stays good. Memory does not
// grow with the number of rejects.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "model/reject.h"

namespace rh::uploads {

// One line of the file for `reject`, with its line end.
void append_reject_line(std::string& out, const model::Reject& reject);

// One thread.
class RejectWriter {
  public:
    static Result<RejectWriter> create(const std::string& path);  // truncates
    Result<void> add(std::span<const model::Reject> rejects);
    Result<void> finish();  // writes what is left, syncs and closes

  private:
    explicit RejectWriter(io::File file) : file_(std::move(file)) {}
    io::File file_;
    std::string pending_;
};

struct StoredReject {
    std::string json;      // the line as it stands in the file, without its end
    model::Reject reject;  // the same, read
};

// One thread. A file that is still being written gives the whole lines that are there.
class RejectReader {
  public:
    // `offset` is 0 or a next_offset() of before; any other is invalid_request bad_cursor. No file:
    // an upload without rejects.
    static Result<RejectReader> open(const std::string& path, uint64_t offset);
    // Replaces `page` with at most `limit` rejects; fewer only at the end.
    Result<void> next(size_t limit, std::vector<StoredReject>& page);
    uint64_t next_offset() const { return offset_; }
    Result<bool> at_end();  // no whole line follows

  private:
    RejectReader() = default;
    Result<bool> next_line(std::string_view& line);
    std::vector<io::File> file_;  // none or one
    uint64_t offset_ = 0;         // of the first byte not yet given out
    std::string buffer_;          // bytes of the file from offset_ on
    size_t taken_ = 0;            // of buffer_
};

}  // namespace rh::uploads
