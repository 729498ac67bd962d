// A pause of a thread that may be asked to stop meanwhile.
#pragma once

#include <cstdint>
#include <stop_token>

namespace rh {

void sleep_unless_stopped(const std::stop_token& stop, int64_t ms);

}  // namespace rh
