#include "http/answer_slot.h"

#include <fmt/format.h>

namespace rh::http {

Result<void> AnswerSlot::take() {
    if (taken_) {
        return {};
    }
    if (++running_ > most_) {
        --running_;
        return fail(ErrorKind::unavailable, "too_many_downloads",
                    fmt::format("{} long answers and event streams are being taken already, as "
                                "many as this server sends at once. Try again in a while.",
                                most_),
                    Verdict::retry);
    }
    taken_ = true;
    return {};
}

}  // namespace rh::http
