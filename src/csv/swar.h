// Eight bytes at once in a 64-bit word: byte i of the text is bits 8i..8i+7 (little-endian).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace rh::csv {

static_assert(std::endian::native == std::endian::little);

inline constexpr uint64_t kEachByte = 0x0101010101010101;
inline constexpr uint64_t kHighBits = 0x8080808080808080;
inline constexpr uint64_t kLowBits = 0x7F7F7F7F7F7F7F7F;

inline uint64_t load8(const char* p) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

constexpr uint64_t repeat_byte(char c) { return kEachByte * static_cast<uint8_t>(c); }

// 0x80 in each byte that is zero, 0 in the others.
constexpr uint64_t zero_bytes(uint64_t word) {
    return ~(((word & kLowBits) + kLowBits) | word | kLowBits);
}

}  // namespace rh::csv
