#include "csv/splitter.h"

#include <algorithm>
#include <cstring>

#include "csv/fields.h"
#include "model/reject.h"

namespace rh::csv {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;
// Enough for the value of a reject.
constexpr size_t kBeginningBytes = 4 * model::kFaultValueCharactersMax + 4;

template <class T>
void make_room(std::vector<T>& v, size_t size) {
    if (v.size() < size) {
        v.resize(size);
    }
}

}  // namespace

void BreakCounter::add(std::string_view text) {
    for (const char c : text) {
        breaks += c == '\r' || (c == '\n' && !after_cr) ? 1 : 0;
        after_cr = c == '\r';
        at_break = c == '\r' || c == '\n';
    }
}

Splitter::Splitter(char delimiter, Target target)
    : delimiter_(delimiter), scan_(scan_function(target)) {
    index_.resize(1, ~uint32_t{0});
}

ScanOutput Splitter::room_for(size_t blocks) {
    make_room(index_, index_count_ + blocks * kBlockBytes + kIndexSlack);
    make_room(ends_, end_count_ + blocks * kBlockBytes);
    make_room(flags_, end_count_ + blocks * kBlockBytes);
    return {index_.data(), index_count_, ends_.data(), flags_.data(), end_count_};
}

void Splitter::fill(std::string_view& piece) {
    const size_t taken = std::min(piece.size(), kChunkBytes);
    make_room(buffer_, filled_ + taken + kFieldSlack);
    std::memcpy(buffer_.data() + filled_, piece.data(), taken);
    piece.remove_prefix(taken);
    filled_ += taken;

    const size_t blocks = (filled_ - scanned_) / kBlockBytes;
    ScanOutput out = room_for(blocks);
    scan_(buffer_.data() + scanned_, blocks, static_cast<uint32_t>(scanned_), delimiter_, state_,
          out);
    index_count_ = out.index_count;
    end_count_ = out.end_count;
    scanned_ += blocks * kBlockBytes;
}

void Splitter::finish() {
    make_room(buffer_, filled_ + kFieldSlack);
    ScanOutput out = room_for(1);
    scan_tail(buffer_.data() + scanned_, filled_ - scanned_, static_cast<uint32_t>(scanned_),
              delimiter_, state_, out);
    index_count_ = out.index_count;
    end_count_ = out.end_count;
    scanned_ = filled_;
    finished_ = true;
}

// What stands behind the last line end of the file.
bool Splitter::last_record(Record& record) {
    finished_ = false;
    if (begin() == filled_ && !absorbing_) {
        return false;
    }
    index_[index_count_++] = static_cast<uint32_t>(filled_);
    record.fields = index_count_ - first_;
    record.flags = state_.flags;
    describe(static_cast<uint32_t>(filled_), record);
    record.unclosed = state_.inside != 0;
    if (record.unclosed && record.line_last > record.line && absorbed_.at_break) {
        --record.line_last;  // the file ends with that line break: no line stands behind it
    }
    first_ = index_count_;
    return true;
}

void Splitter::describe_broken(uint32_t end, Record& record) {
    if (absorbing_ || record.text.size() > kRecordBytesMax) {
        absorb(end);
        record.text = beginning_;
        record.too_long = true;
        absorbing_ = false;
    } else {
        absorbed_ = {};
        absorbed_.add(record.text);
    }
    line_ += absorbed_.breaks;
    record.line_last = line_;
}

// Keeps the beginning of a long record and counts the line breaks in the rest.
void Splitter::absorb(uint32_t end) {
    const std::string_view bytes(buffer_.data() + begin(), end - begin());
    if (!absorbing_) {
        absorbing_ = true;
        absorbed_ = {};
        beginning_.assign(bytes.substr(0, kBeginningBytes));
    }
    absorbed_.add(bytes);
}

void Splitter::release() {
    const auto scanned = static_cast<uint32_t>(scanned_);
    if (absorbing_ || scanned - begin() > kRecordBytesMax) {
        absorb(scanned);
        first_ = index_count_ = 1;
        index_[0] = scanned - 1;
    }
    end_count_ = next_end_ = 0;
    const uint32_t dropped = begin() & ~static_cast<uint32_t>(kBlockBytes - 1);
    if (dropped > 0) {
        std::memmove(buffer_.data(), buffer_.data() + dropped, filled_ - dropped);
        filled_ -= dropped;
        scanned_ -= dropped;
    }
    const uint32_t entries = index_count_ - (first_ - 1);
    for (uint32_t i = 0; i < entries; ++i) {
        index_[i] = index_[first_ - 1 + i] - dropped;
    }
    index_count_ = entries;
    first_ = 1;
}

}  // namespace rh::csv
