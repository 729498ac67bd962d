#include "base/random.h"

#include <iterator>
#include <random>

#include <fmt/format.h>

namespace rh {

std::string random_hex(size_t words) {
    std::random_device random;
    std::string text;
    for (size_t i = 0; i < words; ++i) {
        fmt::format_to(std::back_inserter(text), "{:08x}", random());
    }
    return text;
}

}  // namespace rh
