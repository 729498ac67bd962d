#include "cli/run.h"

#include <algorithm>
#include <csignal>
#include <span>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/kill_point.h"
#include "cli/command.h"
#include "cli/output.h"
#include "clickhouse/engine.h"

namespace rh::cli {
namespace {

// A subcommand's description begins with one sentence; its examples are for its own help only.
class Formatter : public CLI::Formatter {
  public:
    std::string make_subcommand(const CLI::App* command) const override {
        std::ostringstream out;
        const std::string what = command->get_description();
        CLI::detail::format_help(out, command->get_name(), what.substr(0, what.find('\n')),
                                 column_width_);
        return out.str();
    }
};

constexpr const char* kWhat =
    "Takes CSV files of game rounds, counts every accepted row exactly once, explains every\n"
    "refused one, and proves it by reconciliation.\n\n"
    "Examples:\n"
    "  roundhouse serve --data DIR\n"
    "  roundhouse upload rounds.csv\n"
    "  roundhouse check rounds.csv\n\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 rejects found (--strict), 4 mismatch found,\n"
    "5 service not reachable.\n";

void add_commands(CLI::App& program, Invocation& invocation) {
    add_serve(program, invocation);
    add_upload(program, invocation);
    add_uploads(program, invocation);
    add_rejects(program, invocation);
    add_changes(program, invocation);
    add_aggregates(program, invocation);
    add_reconcile(program, invocation);
    add_check(program, invocation);
    add_convert(program, invocation);
    add_generate(program, invocation);
    add_keys(program, invocation);
    add_migrate(program, invocation);
    add_clickhouse(program, invocation);
    add_config(program, invocation);
    add_completion(program, invocation);
}

int usage_error(const CLI::App& program, const CLI::ParseError& error, bool json) {
    if (error.get_exit_code() == 0) {  // --help and --version come as exceptions
        return program.exit(error);
    }
    const Error problem{
        ErrorKind::invalid_request, "usage",
        fmt::format("{}. Run `roundhouse --help` or `roundhouse COMMAND --help`.", error.what())};
    return report(problem, json);
}

// The engine's own arguments are none of the parser's business.
bool is_for_the_engine(int argc, char** argv) {
    if (argc < 3 || std::string_view(argv[1]) != "clickhouse") {
        return false;
    }
    const std::string_view word = argv[2];
    return word == "server" || word == "local";
}

}  // namespace

int run(int argc, char** argv) {
    if (is_for_the_engine(argc, argv)) {
        return clickhouse::run_engine(argc - 2, argv + 2);
    }
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ,
                SIG_IGN);  // a file at its size limit is an error of write, as a full disk is
    if (!arm_kill_point_from_environment()) {
        std::string message = "ROUNDHOUSE_KILL_AT names no kill point. There are:";
        for (const std::string_view name : kill_points()) {
            message += fmt::format("\n  {}", name);
        }
        say(message);
        return kExitUsage;
    }
    Invocation invocation;
    CLI::App program(kWhat, "roundhouse");
    program.formatter(std::make_shared<Formatter>());
    program.set_version_flag("--version", "roundhouse " RH_VERSION);
    program.require_subcommand(1);
    add_commands(program, invocation);
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const auto arguments = std::span(argv, static_cast<size_t>(argc));
        const bool json = std::ranges::any_of(
            arguments, [](const char* argument) { return std::string_view(argument) == "--json"; });
        return usage_error(program, error, json);
    }
    const Result<int> code = invocation.action();
    return code ? *code : report(code.error(), invocation.json);
}

}  // namespace rh::cli
