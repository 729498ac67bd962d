#include "cli/command.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace rh::cli {
namespace {

std::string help_of(const app::Option& option) {
    return fmt::format("{} [{}]", option.what, app::environment_of(option));
}

void add_setting(CLI::App& command, Invocation& invocation, const app::Option& option) {
    if (option.kind == app::OptionKind::secret) {
        return;  // a flag would show it to everyone who lists processes
    }
    if (command.get_option_no_throw(app::flag_of(option)) != nullptr) {
        return;  // one of both audiences
    }
    const auto set = [&invocation, key = std::string(option.key)](const std::string& text) {
        invocation.flags[key] = text;
    };
    command.add_option_function<std::string>(app::flag_of(option), set, help_of(option))
        ->group(kSettingsGroup);
}

void add_config_file(CLI::App& command, Invocation& invocation) {
    if (command.get_option_no_throw("--config") != nullptr) {
        return;
    }
    command
        .add_option("--config", invocation.config_file,
                    "TOML file with settings [ROUNDHOUSE_CONFIG]")
        ->group(kSettingsGroup);
}

}  // namespace

Result<ApiClient> open_api(const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    return ApiClient::open(settings.config);
}

Result<app::Resolved> Invocation::settings() const {
    return app::resolve({flags, config_file, app::process_environment});
}

CLI::App& add_command(CLI::App& parent, Invocation& invocation, std::string_view name,
                      std::string_view what, const std::vector<std::string>& examples) {
    std::string description(what);
    if (!examples.empty()) {
        description += "\n\nExamples:\n";
        for (const auto& example : examples) {
            description += fmt::format("  {}\n", example);
        }
    }
    CLI::App* command = parent.add_subcommand(std::string(name), description);
    command->add_flag("--json", invocation.json, "Print JSON, for scripts");
    return *command;
}

void add_settings(CLI::App& command, Invocation& invocation, app::Audience audience) {
    for (const app::Option& option : app::options()) {
        if (option.audience == audience || option.audience == app::Audience::both) {
            add_setting(command, invocation, option);
        }
    }
    add_config_file(command, invocation);
}

void add_settings(CLI::App& command, Invocation& invocation,
                  std::initializer_list<std::string_view> keys) {
    for (const app::Option& option : app::options()) {
        if (std::ranges::find(keys, option.key) != keys.end()) {
            add_setting(command, invocation, option);
        }
    }
    add_config_file(command, invocation);
}

}  // namespace rh::cli
