// roundhouse: one program, a subcommand for each thing it does (src/cli/). Exceptions that nothing
// expected end here.
#include <cstdio>
#include <exception>

#include "cli/run.h"

int main(int argc, char** argv) {
    try {
        return rh::cli::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "roundhouse: %s\n", error.what());
        return 1;
    }
}
