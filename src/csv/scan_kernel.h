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
};

// Writes the positions of the set bits of `structural`, and of the line ends among them.
inline void write_positions(uint64_t structural, uint64_t line_ends, uint32_t base,
                            ScanOutput& out) {
    while (line_ends != 0) {
        const uint64_t below = (line_ends & (~line_ends + 1)) - 1;
        out.ends[out.end_count++] =
            out.index_count + static_cast<uint32_t>(__builtin_popcountll(structural & below));
        line_ends &= line_ends - 1;
    }
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

inline uint8_t flags_of(const BlockMasks& m, uint64_t structural) {
    return static_cast<uint8_t>((m.quote != 0 ? kHasQuote : 0) |
                                (m.non_ascii != 0 ? kHasNonAscii : 0) |
                                ((m.line_end & ~structural) != 0 ? kHasInnerBreak : 0));
}

// Isa, made for one delimiter: BlockMasks masks(const char*) and uint64_t prefix_xor(uint64_t).
template <class Isa>
inline void scan_blocks(const char* data, size_t blocks, uint32_t base, char delimiter,
                        ScanState& state, ScanOutput& out) {
    const Isa isa(delimiter);
    ScanState now = state;
    for (size_t b = 0; b < blocks; ++b, data += kBlockBytes, base += kBlockBytes) {
        const BlockMasks m = isa.masks(data);
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
            }
        }
        out.flags[b] = flags_of(m, structural);
        write_positions(structural, structural & m.line_end, base, out);
    }
    state = now;
}

}  // namespace
}  // namespace rh::csv
