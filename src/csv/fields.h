// One field's bytes → its value, exactly, or the code of what is wrong (docs/formats/csv.md). The
// usual forms are read eight bytes at once; everything else goes the long way, with the same
// result. kFieldSlack bytes behind each field must be readable (their value never matters).
#pragma once

#include <cstddef>
#include <cstdint>

#include "csv/swar.h"
#include "model/reject.h"

namespace rh::csv {

inline constexpr size_t kFieldSlack = 64;

// 0: nothing wrong; else 1 + RejectCode.
using FaultMark = uint8_t;
inline constexpr FaultMark kFine = 0;
constexpr FaultMark mark(model::RejectCode code) {
    return static_cast<FaultMark>(static_cast<uint8_t>(code) + 1);
}
constexpr model::RejectCode code_of(FaultMark m) { return static_cast<model::RejectCode>(m - 1); }

// `ms` is UTC; `zone_ms` is what local time is ahead of UTC where the text has no zone of its own.
FaultMark parse_timestamp(const char* p, size_t n, int64_t zone_ms, int64_t& ms);

FaultMark parse_integer_slowly(const char* p, size_t n, int64_t& value);

struct AmountRules {
    bool empty_is_reject = false;
    bool allow_negative = false;
};
// `none` is 1 if there is no amount (micros is 0 then), else 0.
FaultMark parse_amount_slowly(const char* p, size_t n, const AmountRules& rules, int64_t& micros,
                              uint32_t& none);

// The last n (1..8) bytes of the result are the n bytes at `p`, the ones before are '0'.
inline uint64_t right_aligned(const char* p, size_t n) {
    const auto unused = static_cast<unsigned>(64 - 8 * n);
    return (load8(p) << unused) | ((repeat_byte('0') >> 8) >> (8 * n - 8));
}

// 0 if all eight bytes are ASCII digits.
constexpr uint64_t non_digits(uint64_t word) {
    const uint64_t values = word ^ repeat_byte('0');
    return (values | (values + repeat_byte(0x76))) & kHighBits;
}

// Eight ASCII digits, the most significant first in memory. Neighbours become pairs, pairs are
// weighed by 10^6, 10^4, 100 and 1 in two products whose sum stands in the upper half.
constexpr uint64_t eight_digits(uint64_t word) {
    const uint64_t values = word ^ repeat_byte('0');
    const uint64_t pairs = values * 10 + (values >> 8);  // in bytes 0, 2, 4, 6
    constexpr uint64_t kEvenPairs = 0x000000FF000000FF;
    const uint64_t first_and_third = (pairs & kEvenPairs) * (100 + (uint64_t{1'000'000} << 32));
    const uint64_t second_and_fourth =
        ((pairs >> 16) & kEvenPairs) * (1 + (uint64_t{10'000} << 32));
    return (first_and_third + second_and_fourth) >> 32;
}

inline FaultMark parse_integer(const char* p, size_t n, int64_t& value) {
    if (n - 1 < 8) [[likely]] {
        const uint64_t word = right_aligned(p, n);
        if (non_digits(word) == 0) [[likely]] {
            value = static_cast<int64_t>(eight_digits(word));
            return kFine;
        }
    } else if (n - 9 < 8) {
        const uint64_t upper = right_aligned(p, n - 8);
        const uint64_t lower = load8(p + n - 8);
        if ((non_digits(upper) | non_digits(lower)) == 0) [[likely]] {
            value = static_cast<int64_t>(eight_digits(upper) * 100'000'000 + eight_digits(lower));
            return kFine;
        }
    }
    return parse_integer_slowly(p, n, value);
}

inline constexpr int64_t kPowersOfTen[19] = {1,
                                             10,
                                             100,
                                             1'000,
                                             10'000,
                                             100'000,
                                             1'000'000,
                                             10'000'000,
                                             100'000'000,
                                             1'000'000'000,
                                             10'000'000'000,
                                             100'000'000'000,
                                             1'000'000'000'000,
                                             10'000'000'000'000,
                                             100'000'000'000'000,
                                             1'000'000'000'000'000,
                                             10'000'000'000'000'000,
                                             100'000'000'000'000'000,
                                             1'000'000'000'000'000'000};

inline FaultMark parse_amount(const char* p, size_t n, const AmountRules& rules, int64_t& micros,
                              uint32_t& none) {
    if (n - 1 < 8) [[likely]] {
        // "   12.5" → the digits before the point move up by one place over it: "  0125", and one
        // digit stands behind the point.
        const uint64_t word = right_aligned(p, n);
        const uint64_t point = zero_bytes(word ^ repeat_byte('.'));
        uint64_t digits = word;
        unsigned behind = 0;
        if (point != 0) {
            const auto at = static_cast<unsigned>(__builtin_ctzll(point)) - 7;  // bit of that byte
            const uint64_t before = (uint64_t{1} << at) - 1;
            digits = ((word & before) << 8) | (word & ~((before << 8) | 0xFF)) | '0';
            behind = (56 - at) / 8;
        }
        if (non_digits(digits) == 0 && behind <= 6 && (point == 0 || n > 1)) [[likely]] {
            micros = static_cast<int64_t>(eight_digits(digits)) * kPowersOfTen[6 - behind];
            none = 0;
            return kFine;
        }
    } else if (n == 0 && !rules.empty_is_reject) {
        micros = 0;
        none = 1;
        return kFine;
    }
    return parse_amount_slowly(p, n, rules, micros, none);
}

}  // namespace rh::csv
