#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace rh {

void assert_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "roundhouse: broken invariant %s at %s:%d; stopping before it spreads\n",
                 expression, file, line);
    std::abort();
}

}  // namespace rh
