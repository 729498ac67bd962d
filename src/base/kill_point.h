// Named places at which a crash test ends the process with SIGKILL, as a power cut would.
// ROUNDHOUSE_KILL_AT=name or name:N (the N-th time it is passed) in the environment arms one.
// Disarmed, a kill point costs one load of a flag. tests/system/ kills at each of them once.
#pragma once

#include <span>
#include <string_view>

namespace rh {

inline constexpr const char* kKillAtVariable = "ROUNDHOUSE_KILL_AT";
// Every kill point of the program in the order of the data's way; `roundhouse` refuses an unknown
// name.
std::span<const std::string_view> kill_points();
// Reads ROUNDHOUSE_KILL_AT. Returns false when it names no kill point.
bool arm_kill_point_from_environment();
// Ends the process here if `name` is armed. `name` must be in kill_points().
void kill_point(std::string_view name);

}  // namespace rh
