// `roundhouse config show`: each setting, its value and where that comes from.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/harmless.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"

namespace rh::cli {
namespace {

constexpr std::array<std::string_view, 4> kOriginNames = {"default", "file", "environment", "flag"};

Result<int> show(const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    if (invocation.json) {
        boost::json::array values;
        for (const auto& value : settings.values) {
            values.push_back({{"key", value.option->key},
                              {"value", value.value},
                              {"origin", kOriginNames[static_cast<size_t>(value.origin)]},
                              {"origin_name", value.origin_name}});
        }
        const boost::json::value out = {{"data", std::move(values)}};
        RH_TRY(write_out(json_text(out) + "\n"));
        return kExitOk;
    }
    std::string out;
    for (const auto& value : settings.values) {
        out += fmt::format("{:<34} {:<24} {}\n", value.option->key,
                           value.value.empty() ? "\"\"" : harmless(value.value),
                           harmless(value.origin_name));
    }
    RH_TRY(write_out(out));
    return kExitOk;
}

}  // namespace

void add_config(CLI::App& program, Invocation& invocation) {
    CLI::App& config = add_command(program, invocation, "config", "Look at the settings.",
                                   {"roundhouse config show", "roundhouse config reference"});
    config.require_subcommand(1);
    CLI::App& shown = add_command(config, invocation, "show",
                                  "Print each setting, its value and where the value comes from.",
                                  {"roundhouse config show --json"});
    add_settings(shown, invocation, app::Audience::server);
    add_settings(shown, invocation, app::Audience::client);
    shown.callback(
        [&invocation] { invocation.action = [&invocation] { return show(invocation); }; });
    CLI::App& reference = add_command(config, invocation, "reference",
                                      "Print the reference page of all settings (Markdown).", {});
    reference.callback([&invocation] {
        invocation.action = []() -> Result<int> {
            RH_TRY(write_out(app::reference_page()));
            return kExitOk;
        };
    });
}

}  // namespace rh::cli
