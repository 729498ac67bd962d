// A path that does not stay behind if a signal ends the program: Ctrl-C, SIGTERM, a closed
// terminal. Otherwise its owner removes it as ever. The exit status stays that of the signal;
// signals that are ignored stay so. Any thread.
#pragma once

#include <string>
#include <utility>

namespace rh::cli {

class RemovedBySignal {
  public:
    // A file, or a directory that is empty without the other paths; it need not be there yet.
    explicit RemovedBySignal(const std::string& path);
    RemovedBySignal(RemovedBySignal&& other) noexcept : place_(std::exchange(other.place_, -1)) {}
    RemovedBySignal& operator=(RemovedBySignal&&) = delete;
    ~RemovedBySignal();

  private:
    int place_;  // in the list of the handler; -1: none
};

}  // namespace rh::cli
