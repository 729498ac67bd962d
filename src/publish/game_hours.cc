#include "publish/game_hours.h"

#include <algorithm>
#include <utility>

namespace rh::publish {
namespace {

// Repeats are dropped when there are as many new ones as this, or as there are distinct ones.
constexpr size_t kNewMin = 1 << 16;

}  // namespace

void GameHours::add(const model::RowBatch& rows) {
    if (too_many_) {
        return;
    }
    for (size_t i = 0; i < rows.size(); ++i) {
        seen_.push_back({.game_id = rows.game_id[i], .hour = rows.created_ms[i] / model::kHourMs});
    }
    if (seen_.size() - distinct_ >= std::max(kNewMin, distinct_)) {
        drop_repeats();
    }
}

void GameHours::drop_repeats() {
    std::ranges::sort(seen_);
    const auto repeats = std::ranges::unique(seen_);
    seen_.erase(repeats.begin(), repeats.end());
    distinct_ = seen_.size();
    if (distinct_ > max_) {
        too_many_ = true;
        seen_ = {};
    }
}

std::optional<std::vector<model::GameHour>> GameHours::finish() {
    drop_repeats();
    return too_many_ ? std::nullopt : std::optional(std::move(seen_));
}

}  // namespace rh::publish
