#include "csv/scan.h"

#include "csv/scan_kernel.h"

namespace rh::csv {

uint64_t exact_block(const char* data, size_t bytes, char delimiter, ScanState& state) {
    bool inside = state.inside != 0;
    bool may_open = state.may_open != 0;
    uint64_t structural = 0;
    for (size_t i = 0; i < bytes; ++i) {
        const char c = data[i];
        const bool quote = c == '"';
        if (inside) {
            inside = !quote;
            may_open = quote;
        } else if (c == delimiter || c == '\n' || c == '\r') {
            structural |= uint64_t{1} << i;
            may_open = true;
        } else {
            inside = quote && may_open;
            may_open = false;
        }
    }
    state.inside = inside ? ~uint64_t{0} : 0;
    state.may_open = may_open ? 1 : 0;
    return structural;
}

void scan_tail(const char* data, size_t bytes, uint32_t base, char delimiter, ScanState& state,
               ScanOutput& out) {
    BlockMasks m{};
    for (size_t i = 0; i < bytes; ++i) {
        const uint64_t bit = uint64_t{1} << i;
        m.quote |= data[i] == '"' ? bit : 0;
        m.line_end |= data[i] == '\n' || data[i] == '\r' ? bit : 0;
        m.non_ascii |= (static_cast<uint8_t>(data[i]) & 0x80) != 0 ? bit : 0;
    }
    m.stray = m.quote != 0 ? ~uint64_t{0} : 0;
    const uint64_t structural = exact_block(data, bytes, delimiter, state);
    write_ends(m, structural, state, out);
    write_positions(structural, base, out);
}

ScanFunction scan_function(Target target) {
    switch (target) {
        case Target::avx512:
            return scan_avx512;
        case Target::avx2:
            return scan_avx2;
        case Target::scalar:
            break;
    }
    return scan_scalar;
}

}  // namespace rh::csv
