#include "csv/target.h"

namespace rh::csv {
namespace {

Target ask_cpu() {
    const bool avx2 = __builtin_cpu_supports("avx2") != 0 &&
                      __builtin_cpu_supports("pclmul") != 0 && __builtin_cpu_supports("bmi") != 0 &&
                      __builtin_cpu_supports("bmi2") != 0;
    if (!avx2) {
        return Target::scalar;
    }
    const bool avx512 =
        __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
        __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vbmi2") != 0;
    return avx512 ? Target::avx512 : Target::avx2;
}

}  // namespace

Target best_target() {
    static const Target kBest = ask_cpu();
    return kBest;
}

std::vector<Target> usable_targets() {
    std::vector<Target> targets;
    for (const Target target : {Target::scalar, Target::avx2, Target::avx512}) {
        if (target <= best_target()) {
            targets.push_back(target);
        }
    }
    return targets;
}

}  // namespace rh::csv
