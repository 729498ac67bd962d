// Numbers of up to 16 characters: all digits of the four amounts at once, and of both ids. Compiled
// for AVX-512; called only where the CPU has it (csv/target.cc). A row with anything else in it
// goes the way of csv/numbers_avx2.cc, field by field.
#include <array>

#include <immintrin.h>

#include "csv/numbers_places.h"
#include "csv/row.h"

namespace rh::csv {
namespace {

constexpr size_t kAmounts = 4;
constexpr uint64_t kOneALane = 0x0001'0001'0001'0001;
constexpr uint64_t kLaneBits = 0xFFFF;
constexpr uint8_t kLowHalves = 0x55;  // of the four lanes, as 64-bit words

constexpr size_t at(model::Column column) { return static_cast<size_t>(column); }

// By the characters of an amount and those before its point: whether it is none of the usual form,
// which is a point alone, or more than the shuffle keeps.
constexpr auto unusual_amounts() {
    std::array<std::array<uint8_t, 2 * kLanes>, kLanes + 1> unusual{};
    for (size_t n = 0; n <= kLanes; ++n) {
        for (size_t whole = 0; whole <= n; ++whole) {
            unusual[n][whole] =
                (n == 1 && whole == 0) || whole > kWhole || n > whole + 1 + kFraction ? 1 : 0;
        }
    }
    return unusual;
}

constexpr auto kUnusualAmount = unusual_amounts();

inline __m128i load(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m128i place(size_t whole) { return load(kAmountPlaces[whole].data()); }

// In each lane the number of its sixteen digits, the most significant first, as the first word.
inline __m512i numbers_of(__m512i digits) {
    const __m512i pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
    const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001'0064));
    const __m512i packed = _mm512_packus_epi32(fours, fours);
    const __m512i eights = _mm512_madd_epi16(packed, _mm512_set1_epi32(0x0001'2710));
    return _mm512_add_epi64(_mm512_mul_epu32(eights, _mm512_set1_epi64(100'000'000)),
                            _mm512_srli_epi64(eights, 32));
}

template <int Lane>
inline int64_t number_in(__m512i numbers) {
    return _mm_cvtsi128_si64(_mm512_extracti32x4_epi32(numbers, Lane));
}

// True if all four are of the usual form; `absent` gets a bit for each that is not there.
inline bool read_amounts(const std::string_view* texts, const RowRules& rules, RowBlock& block,
                         uint32_t& absent) {
    std::array<uint32_t, kAmounts> n{};
    uint64_t there = 0;  // a bit for each character
    for (size_t a = 0; a < kAmounts; ++a) {
        if (texts[a].size() > kLanes) {
            return false;
        }
        n[a] = static_cast<uint32_t>(texts[a].size());
        there |= uint64_t{_bzhi_u32(kLaneBits, n[a])} << (kLanes * a);
    }
    __m512i text = _mm512_castsi128_si512(load(texts[0].data()));
    text = _mm512_inserti32x4(text, load(texts[1].data()), 1);
    text = _mm512_inserti32x4(text, load(texts[2].data()), 2);
    text = _mm512_inserti32x4(text, load(texts[3].data()), 3);

    // Nothing, or "NaN" and nothing behind it.
    constexpr uint64_t kNaN = 'N' | 'a' << 8 | 'N' << 16;
    const __mmask8 nan =
        _mm512_cmpeq_epi64_mask(_mm512_maskz_mov_epi8(there, text), _mm512_set1_epi64(kNaN)) &
        kLowHalves;
    const __mmask8 empty =
        _mm512_testn_epi64_mask(_mm512_movm_epi8(there), _mm512_set1_epi64(-1)) & kLowHalves;
    const uint64_t nan_lanes = _pdep_u64(_pext_u64(nan, kLowHalves), kOneALane) * kLaneBits;
    absent = static_cast<uint32_t>(_pext_u64(nan | empty, kLowHalves));
    const uint64_t longer_than_nan = there & nan_lanes & ~(kOneALane * 0x7);

    const __mmask64 kept = there & ~nan_lanes;
    const __m512i values = _mm512_maskz_sub_epi8(kept, text, _mm512_set1_epi8('0'));
    const uint64_t points = _mm512_mask_cmpeq_epi8_mask(kept, text, _mm512_set1_epi8('.'));
    std::array<size_t, kAmounts> whole{};
    uint32_t unusual = absent & (rules.amounts.empty_is_reject ? ~0U : 0U);
    for (size_t a = 0; a < kAmounts; ++a) {
        const auto of_lane = static_cast<uint32_t>(points >> (kLanes * a) & kLaneBits);
        whole[a] = _tzcnt_u32(of_lane | 1U << n[a]);
        unusual |= kUnusualAmount[n[a]][whole[a]];
    }
    __m512i places = _mm512_castsi128_si512(place(whole[0]));
    places = _mm512_inserti32x4(places, place(whole[1]), 1);
    places = _mm512_inserti32x4(places, place(whole[2]), 2);
    places = _mm512_inserti32x4(places, place(whole[3]), 3);
    const __m512i digits = _mm512_shuffle_epi8(values, places);
    const uint64_t others = _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9));
    if ((others | longer_than_nan | unusual) != 0) [[unlikely]] {
        return false;
    }
    const __m512i micros = numbers_of(digits);
    const size_t row = block.rows;
    block.amount[0][row] = number_in<0>(micros);
    block.amount[1][row] = number_in<1>(micros);
    block.amount[2][row] = number_in<2>(micros);
    block.amount[3][row] = number_in<3>(micros);
    return true;
}

// True if both are digits and nothing else.
inline bool read_ids(std::string_view first, std::string_view second, int64_t& a, int64_t& b) {
    if (first.size() - 1 >= kLanes || second.size() - 1 >= kLanes) {
        return false;
    }
    const __m256i text =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load(first.data())), load(second.data()), 1);
    const __mmask32 there = _bzhi_u32(kLaneBits, static_cast<uint32_t>(first.size())) |
                            _bzhi_u32(kLaneBits, static_cast<uint32_t>(second.size())) << kLanes;
    const __m256i places =
        _mm256_inserti128_si256(_mm256_castsi128_si256(load(kRightAligned.data() + first.size())),
                                load(kRightAligned.data() + second.size()), 1);
    const __m256i digits =
        _mm256_shuffle_epi8(_mm256_maskz_sub_epi8(there, text, _mm256_set1_epi8('0')), places);
    if (_mm256_cmpgt_epu8_mask(digits, _mm256_set1_epi8(9)) != 0) [[unlikely]] {
        return false;
    }
    const __m512i numbers = numbers_of(_mm512_castsi256_si512(digits));
    a = number_in<0>(numbers);
    b = number_in<1>(numbers);
    return true;
}

}  // namespace

uint32_t judge_numbers_avx512(const RowFields& fields, const RowRules& rules, RowBlock& block,
                              RowMarks& marks) {
    const size_t row = block.rows;
    uint32_t absent = 0;
    if (!read_amounts(&fields[at(model::Column::real_amount_bet)], rules, block, absent) ||
        !read_ids(fields[at(model::Column::game_instance_id)], fields[at(model::Column::game_id)],
                  block.game_instance_id[row], block.game_id[row])) [[unlikely]] {
        return judge_numbers_avx2(fields, rules, block, marks);
    }
    marks.fill(kFine);
    const auto& created = fields[at(model::Column::created_timestamp)];
    marks[at(model::Column::created_timestamp)] =
        parse_timestamp(created.data(), created.size(), rules.zone_ms, block.created_ms[row]);
    return absent;
}

}  // namespace rh::csv
