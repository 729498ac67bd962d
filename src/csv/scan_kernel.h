// The scan of one block, shared by both targets. Everything here has internal linkage: a
// translation unit compiled for AVX2 must not lend its code to the rest of the program.
#pragma once

#include <cstdint>

#include "csv/scan.h"

namespace rh::csv {
namespace {  // NOLINT(google-build-namespaces): on purpose, see above

struct BlockMasks {
    uint64_t delimiter;
    uint64_t quote;
    uint64_t line_end;
    uint64_t non_ascii;
    uint64_t stray = 0;  // all bytes of a block that has a stray quote
};

inline uint8_t flags_of(const BlockMasks& m, uint64_t inner_breaks, uint64_t bytes) {
    return static_cast<uint8_t>(((m.quote & bytes) != 0 ? kHasQuote : 0) |
                                ((m.non_ascii & bytes) != 0 ? kHasNonAscii : 0) |
                                ((inner_breaks & bytes) != 0 ? kHasInnerBreak : 0) |
                                ((m.stray & bytes) != 0 ? kMayHaveStrayQuote : 0));
}

// Writes which of the structural bytes are line ends, and what their records have.
inline void write_ends(const BlockMasks& m, uint64_t structural, ScanState& state,
                       ScanOutput& out) {
    const uint64_t inner_breaks = m.line_end & ~structural;
    uint64_t line_ends = m.line_end & structural;
    uint64_t rest = ~uint64_t{0};  // bytes of records that end later
    while (line_ends != 0) {
        const uint64_t last = line_ends & (~line_ends + 1);
        const uint64_t before = last - 1;
        out.ends[out.end_count] =
            out.index_count + static_cast<uint32_t>(__builtin_popcountll(structural & before));
        out.flags[out.end_count++] = state.flags | flags_of(m, inner_breaks, rest & before);
        state.flags = 0;
        rest = ~(before | last);
        line_ends &= line_ends - 1;
    }
    state.flags |= flags_of(m, inner_breaks, rest);
}

// Writes the positions of the set bits of `structural`.
inline void write_positions(uint64_t structural, uint32_t base, ScanOutput& out) {
    const auto count = static_cast<uint32_t>(__builtin_popcountll(structural));
    uint32_t* to = out.index + out.index_count;
    out.index_count += count;
    // Eight at a time without asking: what is written beyond `count` is overwritten by the next
    // block.
    for (uint32_t done = 0; done < count; done += 8) {
        for (uint32_t k = 0; k < 8; ++k) {
            to[done + k] =
                base + static_cast<uint32_t>(structural == 0 ? 0 : __builtin_ctzll(structural));
            structural &= structural - 1;
        }
    }
}

// Isa, made for one delimiter: BlockMasks masks(const char*), uint64_t prefix_xor(uint64_t), and
// void positions(uint64_t structural, uint32_t base, ScanOutput&) as write_positions.
template <class Isa>
inline void scan_blocks(const char* data, size_t blocks, uint32_t base, char delimiter,
                        ScanState& state, ScanOutput& out) {
    const Isa isa(delimiter);
    ScanState now = state;
    for (size_t b = 0; b < blocks; ++b, data += kBlockBytes, base += kBlockBytes) {
        BlockMasks m = isa.masks(data);
        uint64_t structural = m.delimiter | m.line_end;
        if ((m.quote | now.inside) == 0) [[likely]] {
            now.may_open = structural >> 63;
        } else {
            const uint64_t inside = Isa::prefix_xor(m.quote) ^ now.inside;
            const uint64_t closing = m.quote & ~inside;
            const uint64_t outside = structural & ~inside;
            const uint64_t may_open = ((outside | closing) << 1) | now.may_open;
            if ((m.quote & inside & ~may_open) == 0) [[likely]] {
                structural = outside;
                now.inside = ~((inside >> 63) - 1);
                now.may_open = (outside | closing) >> 63;
            } else {
                structural = exact_block(data, kBlockBytes, delimiter, now);
                m.stray = ~uint64_t{0};
            }
        }
        write_ends(m, structural, now, out);
        Isa::positions(structural, base, out);
    }
    state = now;
}

}  // namespace
}  // namespace rh::csv
