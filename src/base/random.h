// Names that never come twice, and secrets: from the kernel's random source, which
// std::random_device is with libstdc++. Any thread.
#pragma once

#include <cstddef>
#include <string>

namespace rh {

std::string random_hex(size_t words);  // 8 hexadecimal digits each

}  // namespace rh
