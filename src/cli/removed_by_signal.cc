#include "cli/removed_by_signal.h"

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstring>
#include <mutex>

#include <unistd.h>

namespace rh::cli {
namespace {

// A handler may neither lock nor allocate, so all it reads is here.
struct Place {
    std::atomic<bool> claimed = false;
    std::atomic<bool> noted = false;  // `path` is whole
    std::array<char, PATH_MAX> path{};
};
constexpr int kPlacesMax = 8;
std::array<Place, kPlacesMax> places;

// Calls nothing that is not async-signal-safe. The signal is blocked until it returns, and then
// ends the program as it would have without a handler (SA_RESETHAND).
extern "C" void remove_and_end(int signal) {
    for (const Place& place : places) {
        if (place.noted) {
            ::unlink(place.path.data());
        }
    }
    for (const Place& place : places) {
        if (place.noted) {
            ::rmdir(place.path.data());  // of a file it does nothing
        }
    }
    ::raise(signal);
}

void watch(int signal) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) {
        return;  // nohup, or a job in the background
    }
    struct sigaction action{};
    action.sa_handler = remove_and_end;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &action, nullptr);
}

}  // namespace

RemovedBySignal::RemovedBySignal(const std::string& path) : place_(-1) {
    static std::once_flag watched;
    std::call_once(watched, [] {
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            watch(signal);
        }
    });
    if (path.size() >= PATH_MAX) {
        return;  // the system makes no such file
    }
    for (int i = 0; i < kPlacesMax; ++i) {
        Place& place = places[static_cast<size_t>(i)];
        if (!place.claimed.exchange(true)) {
            std::memcpy(place.path.data(), path.c_str(), path.size() + 1);
            place.noted = true;
            place_ = i;
            return;
        }
    }
}

RemovedBySignal::~RemovedBySignal() {
    if (place_ >= 0) {
        Place& place = places[static_cast<size_t>(place_)];
        place.noted = false;
        place.claimed = false;
    }
}

}  // namespace rh::cli
