// Which character of a number goes into which of sixteen lanes, for the targets that read all
// digits of one at once. Internal linkage, as in csv/numbers_kernel.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rh::csv {
namespace {  // NOLINT(google-build-namespaces): on purpose, see csv/numbers_kernel.h

constexpr size_t kLanes = 16;
constexpr uint8_t kNone = 0x80;  // a lane that a shuffle makes 0

// An amount in micros: ten digits before the point, six behind it.
constexpr size_t kWhole = 10;
constexpr size_t kFraction = kLanes - kWhole;

// By the number of digits before the point: which character of the field stands in each lane.
constexpr auto amount_places() {
    std::array<std::array<uint8_t, kLanes>, kLanes + 1> places{};
    for (size_t point = 0; point <= kWhole; ++point) {  // of more nothing is made
        for (size_t lane = 0; lane < kWhole; ++lane) {
            places[point][lane] =
                lane + point < kWhole ? kNone : static_cast<uint8_t>(lane + point - kWhole);
        }
        for (size_t lane = kWhole; lane < kLanes; ++lane) {
            const size_t character = point + 1 + lane - kWhole;
            places[point][lane] = character < kLanes ? static_cast<uint8_t>(character) : kNone;
        }
    }
    return places;
}

// From entry n on: the shuffle that moves n characters to the last lanes.
constexpr auto right_aligned_places() {
    std::array<uint8_t, 2 * kLanes> places{};
    for (size_t i = 0; i < places.size(); ++i) {
        places[i] = i < kLanes ? kNone : static_cast<uint8_t>(i - kLanes);
    }
    return places;
}

alignas(64) constexpr auto kAmountPlaces = amount_places();
alignas(32) constexpr auto kRightAligned = right_aligned_places();

}  // namespace
}  // namespace rh::csv
