// Unsigned LEB128, as ClickHouse's Native and RowBinary have lengths and counts: 7 bits a byte,
// lowest first, the top bit set on all bytes but the last.
#pragma once

#include <cstdint>
#include <string>

namespace rh {

inline void append_varint(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        out += static_cast<char>(value | 0x80);
    }
    out += static_cast<char>(value);
}

}  // namespace rh
