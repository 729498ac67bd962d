// Avro's long: zig-zag (0, −1, 1, −2 … become 0, 1, 2, 3 …), then 7 bits a byte, lowest first, the
// top bit set on all bytes but the last. −1234567 → 2469133 → 8D DA 96 01.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rh::avro {

inline constexpr size_t kLongBytesMax = 10;

// Writes at most kLongBytesMax bytes; returns the place after them.
inline char* put_long(char* at, int64_t value) {
    uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    while (rest >= 0x80) {
        *at++ = static_cast<char>(rest | 0x80);
        rest >>= 7;
    }
    *at++ = static_cast<char>(rest);
    return at;
}

// Reads a long and moves `at` behind it; false if [at, end) does not begin with one of 64 bits.
inline bool get_long(const char*& at, const char* end, int64_t& value) {
    uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (at == end) {
            return false;
        }
        const auto byte = static_cast<uint8_t>(*at++);
        if (shift == 63 && byte > 1) {
            return false;
        }
        bits |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) {
            value = static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
            return true;
        }
    }
    return false;
}

}  // namespace rh::avro
