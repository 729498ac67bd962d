// For tests: where random numbers begin. RH_TEST_SEED replays a run; what was taken is printed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace rh {

inline uint64_t test_seed() {
    const char* given = std::getenv("RH_TEST_SEED");
    const uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("RH_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

}  // namespace rh
