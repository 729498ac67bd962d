// What the subcommands share: each add_… registers one subcommand (its flags, its help, its action)
// with the parser of src/cli/run.cc, in a file of its own name. Data goes to stdout; messages and
// progress go to stderr. One thread.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "cli/api_client.h"

namespace CLI {
class App;
}

namespace rh::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitRejects = 3;
inline constexpr int kExitMismatch = 4;
inline constexpr int kExitUnreachable = 5;

// What the parser has found. The chosen subcommand sets `action`, which gives the exit code.
struct Invocation {
    bool json = false;
    std::string config_file;
    std::map<std::string, std::string, std::less<>> flags;  // TOML key → text, see app/config.h
    std::function<Result<int>()> action;

    Result<app::Resolved> settings() const;
};

// Of the flags for settings, in the help.
inline constexpr const char* kSettingsGroup = "Settings";

// For the server that the settings name.
Result<ApiClient> open_api(const Invocation& invocation);

// A subcommand with --json and a help text that begins with `what` and the examples (a line each).
CLI::App& add_command(CLI::App& parent, Invocation& invocation, std::string_view name,
                      std::string_view what, const std::vector<std::string>& examples);
// Flags for the settings of an audience, or for the named ones, and --config.
void add_settings(CLI::App& command, Invocation& invocation, app::Audience audience);
void add_settings(CLI::App& command, Invocation& invocation,
                  std::initializer_list<std::string_view> keys);

void add_serve(CLI::App& program, Invocation& invocation);
void add_health(CLI::App& program, Invocation& invocation);
void add_config(CLI::App& program, Invocation& invocation);
void add_completion(CLI::App& program, Invocation& invocation);
void add_generate(CLI::App& program, Invocation& invocation);
void add_upload(CLI::App& program, Invocation& invocation);
void add_uploads(CLI::App& program, Invocation& invocation);
void add_rejects(CLI::App& program, Invocation& invocation);
void add_changes(CLI::App& program, Invocation& invocation);  // void, cancel, delete
void add_aggregates(CLI::App& program, Invocation& invocation);
void add_reconcile(CLI::App& program, Invocation& invocation);
void add_reconciliations(CLI::App& program, Invocation& invocation);
void add_discrepancies(CLI::App& program, Invocation& invocation);
void add_check(CLI::App& program, Invocation& invocation);
void add_convert(CLI::App& program, Invocation& invocation);
void add_clickhouse(CLI::App& program, Invocation& invocation);
void add_migrate(CLI::App& program, Invocation& invocation);
void add_keys(CLI::App& program, Invocation& invocation);

}  // namespace rh::cli
