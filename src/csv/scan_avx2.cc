// Compiled for AVX2, PCLMUL and BMI2; called only where the CPU has them (csv/target.cc).
#include <immintrin.h>

#include "csv/prefix_xor.h"
#include "csv/scan_kernel.h"

namespace rh::csv {
namespace {

struct Avx2 {
    __m256i delimiter;
    __m256i quote = _mm256_set1_epi8('"');
    __m256i line_feed = _mm256_set1_epi8('\n');
    __m256i carriage_return = _mm256_set1_epi8('\r');

    explicit Avx2(char d) : delimiter(_mm256_set1_epi8(d)) {}

    static uint64_t join(__m256i low, __m256i high) {
        return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
               (static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32);
    }
    static uint64_t equal(__m256i low, __m256i high, __m256i to) {
        return join(_mm256_cmpeq_epi8(low, to), _mm256_cmpeq_epi8(high, to));
    }
    __m256i line_end(__m256i bytes) const {
        return _mm256_or_si256(_mm256_cmpeq_epi8(bytes, line_feed),
                               _mm256_cmpeq_epi8(bytes, carriage_return));
    }
    BlockMasks masks(const char* p) const {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
        return {equal(low, high, delimiter), equal(low, high, quote),
                join(line_end(low), line_end(high)), join(low, high), 0};
    }
    static uint64_t prefix_xor(uint64_t bits) { return prefix_xor_by_product(bits); }
    static void positions(uint64_t structural, uint32_t base, ScanOutput& out) {
        write_positions(structural, base, out);
    }
};

}  // namespace

void scan_avx2(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
               ScanOutput& out) {
    scan_blocks<Avx2>(data, blocks, base, delimiter, state, out);
}

}  // namespace rh::csv
