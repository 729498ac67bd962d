// The top of a worker thread. What a thread lets out ends the whole program; here an exception (no
// memory, most likely) becomes an Error like any other, so that the work is tried again or given up
// and the other uploads go on.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace rh {

// Calls `work`, which returns a Result. An exception becomes Error internal internal_error (retry).
template <class Work>
std::invoke_result_t<Work> without_exceptions(Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (const std::exception& problem) {
        return fail(ErrorKind::internal, "internal_error",
                    std::string("Something broke in the server: ") + problem.what() + ".",
                    Verdict::retry);
    }
}

}  // namespace rh
