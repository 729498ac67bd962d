#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace rh::cli {
void add_generate(CLI::App&, Invocation&) {}
}  // namespace rh::cli
