#include "sink/group_offsets.h"

#include "base/clock.h"

namespace rh::sink {
namespace {

constexpr int64_t kGroupOffsetsMs = 200;
// After so long without a step it is asked whether retention took what is waited for.
constexpr int64_t kDroppedMs = 2'000;

}  // namespace

Result<bool> GroupOffsets::are_past(const kafka_log::Published& manifest) {
    const std::scoped_lock lock(mutex_);
    if (const int64_t now = monotonic_ms(); now - asked_at_ > kGroupOffsetsMs) {
        if (admin_ == nullptr) {
            RH_ASSIGN(admin_, kafka::Admin::create(cluster_));
        }
        RH_ASSIGN(
            auto offsets,
            admin_->committed(group_, topic_, static_cast<int32_t>(manifest.partitions.size())));
        if (offsets != offsets_) {
            stalled_since_.reset();
        }
        offsets_ = std::move(offsets);
        asked_at_ = now;
    }
    for (size_t p = 0; p < manifest.partitions.size(); ++p) {
        const int64_t last = manifest.partitions[p].last_offset;
        const auto offset = p < offsets_.size() ? offsets_[p] : std::nullopt;
        if (last >= 0 && (!offset || *offset <= last)) {
            stalled_since_ = stalled_since_.value_or(asked_at_);
            RH_ASSIGN(const bool is_gone, are_dropped(p, offset.value_or(0), last));
            if (!is_gone) {
                return false;
            }
        }
    }
    stalled_since_.reset();
    return true;
}

// Whether nobody can read the records of the partition from `next` to `last` any more.
Result<bool> GroupOffsets::are_dropped(size_t partition, int64_t next, int64_t last) {
    if (monotonic_ms() - *stalled_since_ < kDroppedMs) {
        return false;
    }
    RH_ASSIGN(const auto ends, admin_->watermarks(topic_, static_cast<int32_t>(partition)));
    if (ends.low <= last) {
        return false;
    }
    if (on_dropped_) {
        on_dropped_(partition, next, ends.low);
    }
    return true;
}

int64_t GroupOffsets::stalled_ms() const {
    const std::scoped_lock lock(mutex_);
    return stalled_since_ ? monotonic_ms() - *stalled_since_ : 0;
}

}  // namespace rh::sink
