// For translation units compiled with PCLMUL. Internal linkage: they must not lend their code to
// the rest of the program.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace rh::csv {
namespace {  // NOLINT(google-build-namespaces): on purpose, see above

// A carry-less product with all ones is the xor of all bits at or below each place.
inline uint64_t prefix_xor_by_product(uint64_t bits) {
    const __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(bits)),
                                                 _mm_set1_epi8('\xff'), 0);
    return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

}  // namespace
}  // namespace rh::csv
