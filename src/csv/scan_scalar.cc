#include "csv/scan_kernel.h"
#include "csv/swar.h"

namespace rh::csv {
namespace {

struct Scalar {
    uint64_t delimiter;

    explicit Scalar(char d) : delimiter(repeat_byte(d)) {}

    // Gathers bit 7 of each byte into 8 bits: byte i becomes bit i. The factor moves bit 8i to
    // bit 56 + i and lets nothing else arrive there.
    static uint64_t gather(uint64_t high_bits) {
        return ((high_bits >> 7) * 0x0102040810204080) >> 56;
    }
    BlockMasks masks(const char* p) const {
        BlockMasks m{};
        for (unsigned word = 0; word < 8; ++word) {
            const uint64_t w = load8(p + size_t{8} * word);
            const unsigned shift = 8 * word;
            m.delimiter |= gather(zero_bytes(w ^ delimiter)) << shift;
            m.quote |= gather(zero_bytes(w ^ repeat_byte('"'))) << shift;
            m.line_end |=
                gather(zero_bytes(w ^ repeat_byte('\n')) | zero_bytes(w ^ repeat_byte('\r')))
                << shift;
            m.non_ascii |= gather(w & kHighBits) << shift;
        }
        return m;
    }
    static uint64_t prefix_xor(uint64_t bits) {
        for (unsigned shift = 1; shift < 64; shift *= 2) {
            bits ^= bits << shift;
        }
        return bits;
    }
    static void positions(uint64_t structural, uint32_t base, ScanOutput& out) {
        write_positions(structural, base, out);
    }
};

}  // namespace

void scan_scalar(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
                 ScanOutput& out) {
    scan_blocks<Scalar>(data, blocks, base, delimiter, state, out);
}

}  // namespace rh::csv
