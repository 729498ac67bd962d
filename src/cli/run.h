// The command line: arguments in, exit code out. Exit codes: 0 ok, 1 failure, 2 usage, 3 rejects
// found (with --strict), 4 mismatch found, 5 service not reachable.
#pragma once

namespace rh::cli {

int run(int argc, char** argv);

}  // namespace rh::cli
