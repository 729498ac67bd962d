#include "cli/run.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <span>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/kill_point.h"
#include "base/nearest.h"
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
    "5 service not reachable, or the request did not reach it whole.\n";

void add_commands(CLI::App& program, Invocation& invocation) {
    add_serve(program, invocation);
    add_health(program, invocation);
    add_upload(program, invocation);
    add_uploads(program, invocation);
    add_rejects(program, invocation);
    add_changes(program, invocation);
    add_aggregates(program, invocation);
    add_reconcile(program, invocation);
    add_reconciliations(program, invocation);
    add_discrepancies(program, invocation);
    add_check(program, invocation);
    add_convert(program, invocation);
    add_generate(program, invocation);
    add_keys(program, invocation);
    add_migrate(program, invocation);
    add_clickhouse(program, invocation);
    add_config(program, invocation);
    add_completion(program, invocation);
}

// The first word that stands where a command must and is none; empty: there is no such word. Fills
// `known` with the commands there are in its place.
std::string unknown_command(const CLI::App& program, std::span<char*> words,
                            std::vector<std::string>& known) {
    const CLI::App* at = &program;
    for (const std::string_view word : words) {
        if (word.starts_with('-')) {
            continue;
        }
        known.clear();
        for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
            known.push_back(command->get_name());
        }
        if (known.empty()) {
            return {};
        }
        if (std::ranges::find(known, word) == known.end()) {
            return std::string(word);
        }
        at = at->get_subcommand(std::string(word));
    }
    return {};
}

// Empty if no word is near: as many characters wrong as right are another word, not a slip.
std::string meant(std::string_view unknown, const std::vector<std::string>& known) {
    const std::string& word = nearest(unknown, known);
    return 2 * edit_distance(unknown, word) < word.size() ? fmt::format(" Did you mean `{}`?", word)
                                                          : "";
}

bool wants_json(std::span<char*> words) {
    return std::ranges::any_of(words,
                               [](const char* word) { return std::string_view(word) == "--json"; });
}

int usage_error(const CLI::App& program, const CLI::ParseError& error, std::span<char*> words) {
    if (error.get_exit_code() == 0) {  // --help and --version come as exceptions
        const int code = program.exit(error);
        if (!std::cout.flush()) {
            say("Standard output cannot be written to.");
            return kExitFailure;
        }
        return code;
    }
    std::vector<std::string> known;
    const std::string unknown = unknown_command(program, words, known);
    const Error problem{
        .kind = ErrorKind::invalid_request,
        .code = "usage",
        .message = unknown.empty()
                       ? fmt::format("{}. Run `roundhouse --help` or `roundhouse COMMAND --help`.",
                                     error.what())
                       : fmt::format("There is no command \"{}\".{} `roundhouse --help` lists all.",
                                     unknown, meant(unknown, known))};
    return report(problem, wants_json(words));
}

// The flag or word of the chosen command that was given an empty text; empty: there is none. An
// unset variable of a script would else ask for more than was meant: all players, or a file that
// replaces none. A setting may be emptied.
std::string given_empty(const CLI::App& program) {
    for (const CLI::App* command : program.get_subcommands()) {
        for (const CLI::Option* option : command->get_options()) {
            const bool is_setting =
                option->get_group() == kSettingsGroup && option->get_name() != "--config";
            const auto& given = option->results();
            if (!is_setting && std::ranges::find(given, "") != given.end()) {
                return option->get_name();
            }
        }
        if (std::string deeper = given_empty(*command); !deeper.empty()) {
            return deeper;
        }
    }
    return {};
}

// "--flag=" with nothing behind it, for which the parser would take the next word. Empty: no such.
std::string ends_after_equals(std::span<char*> words) {
    for (const std::string_view word : words) {
        if (word.starts_with("--") && word.size() > 2 && word.find('=') == word.size() - 1) {
            return std::string(word);
        }
    }
    return {};
}

Error empty_value(std::string_view name) {
    return {.kind = ErrorKind::invalid_request,
            .code = "usage",
            .message = fmt::format("{} has an empty value. Leave it out, or say what is meant; an "
                                   "unset variable of a script may be why.",
                                   name)};
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
    const auto words = std::span(argv, static_cast<size_t>(argc)).subspan(1);
    if (const std::string flag = ends_after_equals(words); !flag.empty()) {
        return report(empty_value(flag), wants_json(words));
    }
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return usage_error(program, error, words);
    }
    if (const std::string name = given_empty(program); !name.empty()) {
        return report(empty_value(name), invocation.json);
    }
    const Result<int> code = invocation.action();
    return code ? *code : report(code.error(), invocation.json);
}

}  // namespace rh::cli
