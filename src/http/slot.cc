#include "http/slot.h"

#include <algorithm>

#include <fmt/format.h>

namespace rh::http {
namespace {

Error too_many_transfers(unsigned most) {
    return {.kind = ErrorKind::busy,
            .code = "too_many_transfers",
            .message = fmt::format("{} uploads and statements are received or waited for already, "
                                   "as many as this server takes. Try again in a while.",
                                   most),
            .verdict = Verdict::retry};
}

Error too_many_downloads(unsigned most) {
    return {.kind = ErrorKind::unavailable,
            .code = "too_many_downloads",
            .message = fmt::format("{} long answers and event streams are being taken already, as "
                                   "many as this server sends at once. Try again in a while.",
                                   most),
            .verdict = Verdict::retry};
}

}  // namespace

Result<void> Slot::take() {
    if (is_taken_) {
        return {};
    }
    if (++taken_ > most_) {
        --taken_;
        return std::unexpected(full_(most_));
    }
    is_taken_ = true;
    return {};
}

Slot transfer_slot(std::atomic<unsigned>& taken, unsigned worker_threads) {
    return {taken, std::max(worker_threads / 2, 1U), too_many_transfers};
}

Slot answer_slot(std::atomic<unsigned>& taken, unsigned worker_threads) {
    return {taken, std::max(worker_threads / 3, 1U), too_many_downloads};
}

}  // namespace rh::http
