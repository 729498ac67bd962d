#include "base/sleep.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace rh {

void sleep_unless_stopped(const std::stop_token& stop, int64_t ms) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
}

}  // namespace rh
