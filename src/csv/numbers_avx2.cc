// Numbers of up to 16 characters, all digits of one at once. Compiled for AVX2; called only where
// the CPU has it (csv/target.cc).
#include <array>
#include <cstring>

#include <immintrin.h>

#include "csv/numbers_kernel.h"
#include "csv/numbers_places.h"

namespace rh::csv {
namespace {

// From entry 16 - n on: ones in the first n lanes.
constexpr auto first_lanes() {
    std::array<uint8_t, 2 * kLanes> lanes{};
    for (size_t i = 0; i < kLanes; ++i) {
        lanes[i] = 0xFF;
    }
    return lanes;
}

alignas(32) constexpr auto kFirstLanes = first_lanes();

inline __m128i load(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

// The n (up to 16) characters at `p` less '0', and 0 behind them.
inline __m128i values_at(const char* p, size_t n) {
    return _mm_and_si128(_mm_sub_epi8(load(p), _mm_set1_epi8('0')),
                         load(kFirstLanes.data() + kLanes - n));
}

// A bit for each lane.
inline uint32_t other_than_digits(__m128i values) {
    const __m128i nine = _mm_set1_epi8(9);
    return static_cast<uint32_t>(
               _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(values, nine), nine))) ^
           0xFFFF;
}

// Sixteen digits, the most significant in lane 0: neighbours become pairs, fours and eights.
inline int64_t number_of(__m128i digits) {
    const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));   // × 10, × 1
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x0001'0064));  // × 100, × 1
    const __m128i packed = _mm_packus_epi32(fours, fours);
    const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x0001'2710));  // × 10⁴, × 1
    const auto both = static_cast<uint64_t>(_mm_cvtsi128_si64(eights));
    return static_cast<int64_t>((both & 0xFFFFFFFF) * 100'000'000 + (both >> 32));
}

struct Sixteen {
    static FaultMark integer(const char* p, size_t n, int64_t& value) {
        if (n - 1 < kLanes) [[likely]] {
            const __m128i digits =
                _mm_shuffle_epi8(values_at(p, n), load(kRightAligned.data() + n));
            if (other_than_digits(digits) == 0) [[likely]] {
                value = number_of(digits);
                return kFine;
            }
        }
        return parse_integer_slowly(p, n, value);
    }

    static FaultMark amount(const char* p, size_t n, const AmountRules& rules, int64_t& micros,
                            uint32_t& none) {
        if (n <= kLanes) [[likely]] {
            // Which amounts are absent, whole or of one digit cannot be foreseen: no branch on it.
            constexpr uint32_t kNaN = 'N' | 'a' << 8 | 'N' << 16;
            uint32_t beginning = 0;
            std::memcpy(&beginning, p, sizeof beginning);
            const uint32_t absent =
                uint32_t{n == 0} | (uint32_t{n == 3} & uint32_t{(beginning & 0xFFFFFF) == kNaN});
            const __m128i values = values_at(p, n & (uint64_t{absent} - 1));
            const auto points = static_cast<uint32_t>(
                _mm_movemask_epi8(_mm_cmpeq_epi8(values, _mm_set1_epi8('.' - '0'))));
            const auto whole = static_cast<size_t>(__builtin_ctz(points | 1U << n));
            const __m128i digits = _mm_shuffle_epi8(values, load(kAmountPlaces[whole].data()));
            // A point alone, what the shuffle has dropped, and what is no digit.
            const uint32_t unusual =
                (uint32_t{n == 1} & uint32_t{whole == 0}) | uint32_t{whole > kWhole} |
                uint32_t{n > whole + 1 + kFraction} | (absent & uint32_t{rules.empty_is_reject}) |
                other_than_digits(digits);
            if (unusual == 0) [[likely]] {
                micros = number_of(digits);
                none = absent;
                return kFine;
            }
        }
        return parse_amount_slowly(p, n, rules, micros, none);
    }
};

}  // namespace

uint32_t judge_numbers_avx2(const RowFields& fields, const RowRules& rules, RowBlock& block,
                            RowMarks& marks) {
    return judge_numbers<Sixteen>(fields, rules, block, marks);
}

}  // namespace rh::csv
