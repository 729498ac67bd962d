// A game in one hour: where rows of two files may be the same rounds.
#pragma once

#include <compare>
#include <cstdint>

namespace rh::model {

inline constexpr int64_t kHourMs = 3'600'000;

struct GameHour {
    int64_t game_id = 0;
    int64_t hour = 0;  // hours since 1970, UTC

    auto operator<=>(const GameHour&) const = default;
};

}  // namespace rh::model
