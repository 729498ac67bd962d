// How long to wait for somebody who may not answer: `ms`, but no longer than `stopping_ms` once a
// stop is requested, which the constructor and is_over() notice. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "base/clock.h"

namespace rh {

class Patience {
  public:
    Patience(std::stop_token stop, int64_t ms, int64_t stopping_ms = 1'000)
        : stop_(std::move(stop)), stopping_ms_(stopping_ms), deadline_(monotonic_ms() + ms) {
        note_stop();
    }

    bool is_over() {
        note_stop();
        return monotonic_ms() >= deadline_;
    }

  private:
    void note_stop() {
        if (stop_.stop_requested() && !is_ending_) {
            is_ending_ = true;
            deadline_ = std::min(deadline_, monotonic_ms() + stopping_ms_);
        }
    }

    const std::stop_token stop_;
    const int64_t stopping_ms_;
    int64_t deadline_;
    bool is_ending_ = false;
};

}  // namespace rh
