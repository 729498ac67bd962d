// One of the worker threads that may wait for clients to take their answers. What is streamed takes
// a slot before its status is written; what is sent whole needs one only if the client leaves it
// lying about for a second, and is cut if there is none. So clients that do not read hold a third
// of the threads for longer than that and no more, whatever they ask for. One request, one thread.
#pragma once

#include <atomic>

#include "base/result.h"

namespace rh::http {

class AnswerSlot {
  public:
    // `running` counts the slots that are taken, of at most `most`.
    AnswerSlot(std::atomic<unsigned>& running, unsigned most) : running_(running), most_(most) {}
    ~AnswerSlot() {
        if (taken_) {
            --running_;
        }
    }
    AnswerSlot(const AnswerSlot&) = delete;
    AnswerSlot& operator=(const AnswerSlot&) = delete;

    // Again: does nothing. Error unavailable too_many_downloads.
    Result<void> take();

  private:
    std::atomic<unsigned>& running_;
    const unsigned most_;
    bool taken_ = false;
};

}  // namespace rh::http
