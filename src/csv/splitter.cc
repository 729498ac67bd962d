#include "csv/splitter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "csv/fields.h"
#include "csv/walker.h"

namespace rh::csv {
namespace {

template <class T>
void make_room(std::vector<T>& v, size_t size) {
    if (v.size() < size) {
        v.resize(size);
    }
}

// Drops bytes of a record that is too long, but for its beginning.
void drop(std::string_view bytes, Chunk& chunk) {
    if (!chunk.continues_long) {
        chunk.continues_long = true;
        chunk.breaks = {};
        chunk.beginning.assign(bytes.substr(0, kBeginningBytes));
    }
    chunk.breaks.add(bytes);
}

}  // namespace

void BreakCounter::add(std::string_view text) {
    for (const char c : text) {
        breaks += c == '\r' || (c == '\n' && !after_cr) ? 1 : 0;
        after_cr = c == '\r';
        at_break = c == '\r' || c == '\n';
    }
}

Splitter::Splitter(char delimiter, Target target, size_t chunk_bytes)
    : delimiter_(delimiter), scan_(scan_function(target)), chunk_bytes_(chunk_bytes) {
    chunk_.index.resize(1, kBeforeChunk);
}

ScanOutput Splitter::room_for(size_t blocks) {
    make_room(chunk_.index, chunk_.index_count + blocks * kBlockBytes + kIndexSlack);
    make_room(chunk_.ends, chunk_.end_count + blocks * kBlockBytes);
    make_room(chunk_.flags, chunk_.end_count + blocks * kBlockBytes);
    return {chunk_.index.data(), chunk_.index_count, chunk_.ends.data(), chunk_.flags.data(),
            chunk_.end_count};
}

void Splitter::take_over(const ScanOutput& out) {
    chunk_.index_count = out.index_count;
    chunk_.end_count = out.end_count;
}

void Splitter::fill(std::string_view& piece) {
    const size_t taken = std::min(piece.size(), chunk_bytes_ - taken_);
    make_room(chunk_.bytes, chunk_.filled + taken + kFieldSlack);
    std::memcpy(chunk_.bytes.data() + chunk_.filled, piece.data(), taken);
    piece.remove_prefix(taken);
    chunk_.filled += taken;
    taken_ += taken;

    const size_t blocks = (chunk_.filled - scanned_) / kBlockBytes;
    ScanOutput out = room_for(blocks);
    scan_(chunk_.bytes.data() + scanned_, blocks, static_cast<uint32_t>(scanned_), delimiter_,
          state_, out);
    take_over(out);
    scanned_ += blocks * kBlockBytes;
}

void Splitter::finish() {
    make_room(chunk_.bytes, chunk_.filled + kFieldSlack);
    ScanOutput out = room_for(1);
    scan_tail(chunk_.bytes.data() + scanned_, chunk_.filled - scanned_,
              static_cast<uint32_t>(scanned_), delimiter_, state_, out);
    take_over(out);
    scanned_ = chunk_.filled;
    chunk_.index[chunk_.index_count] = static_cast<uint32_t>(chunk_.filled);
    chunk_.last = true;
    chunk_.unclosed = state_.inside != 0;
    chunk_.rest_flags = state_.flags;
}

void Splitter::carry() { keep_rest(chunk_); }

bool Splitter::swap_out(Chunk& chunk) {
    if (chunk_.end_count == 0) {
        return false;
    }
    std::swap(chunk, chunk_);
    keep_rest(chunk);
    return true;
}

// chunk_ becomes what is unfinished in `from`, which may be chunk_ itself.
void Splitter::keep_rest(const Chunk& from) {
    taken_ = 0;
    uint32_t entry = 1;  // the first one of what is kept
    size_t begin = 0;
    if (from.end_count > 0) {
        entry = from.ends[from.end_count - 1] + 1;
        begin = from.index[entry - 1] + 1;
        chunk_.after_cr = from.bytes[begin - 1] == '\r';
        chunk_.continues_long = false;
    }
    uint32_t entries = from.index_count - entry;
    if (chunk_.continues_long || scanned_ - begin > kRecordBytesMax) {
        drop({from.bytes.data() + begin, scanned_ - begin}, chunk_);
        begin = scanned_;
        entries = 0;
    }
    const size_t kept = from.filled - begin;
    make_room(chunk_.bytes, kept + kFieldSlack);
    make_room(chunk_.index, entries + 1);
    std::memmove(chunk_.bytes.data(), from.bytes.data() + begin, kept);
    chunk_.index[0] = kBeforeChunk;
    for (uint32_t i = 0; i < entries; ++i) {
        chunk_.index[i + 1] = from.index[entry + i] - static_cast<uint32_t>(begin);
    }
    chunk_.filled = kept;
    chunk_.index_count = entries + 1;
    chunk_.end_count = 0;
    scanned_ -= begin;
}

}  // namespace rh::csv
