#include "csv/walker.h"

namespace rh::csv {

void Walker::begin(const Chunk& chunk) {
    chunk_ = &chunk;
    bytes_ = chunk.bytes.data();
    index_ = chunk.index.data();
    end_count_ = chunk.end_count;
    first_ = 1;
    next_end_ = 0;
    after_cr_ = chunk.after_cr;
    long_ = chunk.continues_long;
    at_end_ = chunk.last;
}

// What stands behind the last line end of the file.
bool Walker::last_record(Record& record) {
    at_end_ = false;
    const auto filled = static_cast<uint32_t>(chunk_->filled);
    if (begin_of_record() == filled && !long_) {
        return false;
    }
    record.fields = chunk_->index_count + 1 - first_;
    record.flags = chunk_->rest_flags;
    describe(filled, record);
    record.unclosed = chunk_->unclosed;
    if (record.unclosed && record.line_last > record.line && breaks_.at_break) {
        --record.line_last;  // the file ends with that line break: no line stands behind it
    }
    return true;
}

void Walker::describe_broken(Record& record) {
    const std::string_view bytes = record.text;
    record.too_long = long_ || bytes.size() > kRecordBytesMax;
    breaks_ = long_ ? chunk_->breaks : BreakCounter{};
    breaks_.add(bytes);
    if (record.too_long) {
        record.text =
            long_ ? std::string_view(chunk_->beginning) : bytes.substr(0, kBeginningBytes);
        long_ = false;
    }
    line_ += breaks_.breaks;
    record.line_last = line_;
}

}  // namespace rh::csv
