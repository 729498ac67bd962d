#include "reconcile/space.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "io/file.h"

namespace rh::reconcile {
namespace {

constexpr int64_t kBetweenLooksMs = 50;
// The engine writes pieces of up to a MiB and gives its temporary files back at its end.
constexpr uint64_t kFullBytes = 16 << 20;

}  // namespace

uint64_t SpaceWatch::free_now() const { return io::free_bytes(directory_).value_or(UINT64_MAX); }

void SpaceWatch::look() {
    const int64_t now = monotonic_ms();
    if (now - looked_at_ms_ >= kBetweenLooksMs) {
        looked_at_ms_ = now;
        free_least_ = std::min(free_least_, free_now());
    }
}

bool SpaceWatch::ran_full() const { return std::min(free_least_, free_now()) < kFullBytes; }

std::unexpected<Error> SpaceWatch::full(std::string_view what) const {
    return fail(ErrorKind::storage_full, "storage_full",
                fmt::format("The disk was full while the reconciliation ran, so it says nothing "
                            "about the figures. Free some space and reconcile again. What failed: "
                            "{}",
                            what),
                Verdict::retry);
}

}  // namespace rh::reconcile
