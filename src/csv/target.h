// Which instructions the CSV reader works with. All targets give the same result; the CPU decides
// once. Any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace rh::csv {

// In the order of what they ask of the CPU. scalar: 64-bit words. avx2: AVX2, carry-less
// multiplication, BMI 1 and 2. avx512: avx2, and AVX-512 F, BW, VL and VBMI2.
enum class Target : uint8_t { scalar, avx2, avx512 };

// The last one that this CPU has.
Target best_target();
// All that it has, `scalar` first.
std::vector<Target> usable_targets();

}  // namespace rh::csv
