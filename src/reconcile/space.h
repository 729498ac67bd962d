// Whether the disk ran full while a reconciliation was at work. The engine does not always say so:
// it may cut its answer and end as if all was well. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace rh::reconcile {

class SpaceWatch {
  public:
    explicit SpaceWatch(std::string directory) : directory_(std::move(directory)) {}
    void look();            // as often as one likes; asks the disk a few times a second
    bool ran_full() const;  // looks once more
    // Error storage_full; `what` is what failed.
    std::unexpected<Error> full(std::string_view what) const;

  private:
    uint64_t free_now() const;
    std::string directory_;
    uint64_t free_least_ = UINT64_MAX;
    int64_t looked_at_ms_ = 0;
};

}  // namespace rh::reconcile
