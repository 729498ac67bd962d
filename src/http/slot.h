// One of the worker threads that may be given to clients who take their time, so that short
// requests always find another one. One request, one thread.
#pragma once

#include <atomic>

#include "base/result.h"

namespace rh::http {

class Slot {
  public:
    // `taken` counts the slots that are taken, of at most `most`; `full` says that there is none.
    Slot(std::atomic<unsigned>& taken, unsigned most, Error (*full)(unsigned most))
        : taken_(taken), most_(most), full_(full) {}
    ~Slot() {
        if (is_taken_) {
            --taken_;
        }
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    // Again: does nothing. Errors are those of `full`.
    Result<void> take();

  private:
    std::atomic<unsigned>& taken_;
    const unsigned most_;
    Error (*const full_)(unsigned most);
    bool is_taken_ = false;
};

// Half of the threads: for uploads and statements, from the first byte of the request on.
Slot transfer_slot(std::atomic<unsigned>& taken, unsigned worker_threads);
// A third of them: for answers. What is streamed takes a slot before its status is written; what is
// sent whole needs one only if the client leaves it lying about for a second, and is cut if there
// is none. So clients that do not read hold these threads for longer than that and no others,
// whatever they ask for.
Slot answer_slot(std::atomic<unsigned>& taken, unsigned worker_threads);

}  // namespace rh::http
