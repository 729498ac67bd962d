// RH_ASSERT is always on: it guards invariants of money, counts and offsets, prints where it broke
// and aborts (the sink's replay makes an abort safe). RH_DCHECK is for hot loops and is compiled
// out of release builds. Neither may be reachable by user input.
#pragma once

namespace rh {
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);
}

#define RH_ASSERT(x)                                     \
    do {                                                 \
        if (!(x)) [[unlikely]] {                         \
            ::rh::assert_failed(#x, __FILE__, __LINE__); \
        }                                                \
    } while (false)

#ifdef NDEBUG
#define RH_DCHECK(x) ((void)0)
#else
#define RH_DCHECK(x) RH_ASSERT(x)
#endif
