// Compiled for AVX-512; called only where the CPU has it (csv/target.cc).
#include <immintrin.h>

#include "csv/prefix_xor.h"
#include "csv/scan_kernel.h"

namespace rh::csv {
namespace {

struct Avx512 {
    __m512i delimiter;
    __m512i quote = _mm512_set1_epi8('"');
    __m512i line_feed = _mm512_set1_epi8('\n');
    __m512i carriage_return = _mm512_set1_epi8('\r');

    explicit Avx512(char d) : delimiter(_mm512_set1_epi8(d)) {}

    BlockMasks masks(const char* p) const {
        const __m512i bytes = _mm512_loadu_si512(p);
        return {_mm512_cmpeq_epi8_mask(bytes, delimiter), _mm512_cmpeq_epi8_mask(bytes, quote),
                _mm512_cmpeq_epi8_mask(bytes, line_feed) |
                    _mm512_cmpeq_epi8_mask(bytes, carriage_return),
                _mm512_movepi8_mask(bytes), 0};
    }
    static uint64_t prefix_xor(uint64_t bits) { return prefix_xor_by_product(bits); }
    // The numbers of the set bits are moved together, and become 32 bits wide sixteen at a time.
    static void positions(uint64_t structural, uint32_t base, ScanOutput& out) {
        const auto count = static_cast<uint32_t>(__builtin_popcountll(structural));
        uint32_t* to = out.index + out.index_count;
        out.index_count += count;
        const __m512i numbers = _mm512_maskz_compress_epi8(structural, place_numbers());
        const __m512i offset = _mm512_set1_epi32(static_cast<int>(base));
        _mm512_storeu_si512(
            to, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(numbers)), offset));
        if (count > 16) [[unlikely]] {
            store(to + 16, _mm512_extracti32x4_epi32(numbers, 1), offset);
            if (count > 32) {
                store(to + 32, _mm512_extracti32x4_epi32(numbers, 2), offset);
                store(to + 48, _mm512_extracti32x4_epi32(numbers, 3), offset);
            }
        }
    }
    static void store(uint32_t* to, __m128i numbers, __m512i offset) {
        _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_cvtepu8_epi32(numbers), offset));
    }
    // 0, 1, … 63
    static __m512i place_numbers() {
        const __m512i step = _mm512_set_epi64(
            0x3838383838383838, 0x3030303030303030, 0x2828282828282828, 0x2020202020202020,
            0x1818181818181818, 0x1010101010101010, 0x0808080808080808, 0);
        return _mm512_add_epi8(_mm512_set1_epi64(0x0706050403020100), step);
    }
};

}  // namespace

void scan_avx512(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
                 ScanOutput& out) {
    scan_blocks<Avx512>(data, blocks, base, delimiter, state, out);
}

}  // namespace rh::csv
