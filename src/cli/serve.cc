#include <CLI/CLI.hpp>

#include "app/service.h"
#include "base/log.h"
#include "cli/command.h"

namespace rh::cli {

void add_serve(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "serve",
        "Run the whole product: HTTP API, log, ClickHouse and sink, in one data directory.",
        {"roundhouse serve --data DIR --listen 127.0.0.1:8080",
         "ROUNDHOUSE_DATA=/var/lib/roundhouse roundhouse serve --config roundhouse.toml"});
    add_settings(command, invocation, app::Audience::server);
    command.callback([&invocation] {
        invocation.action = [&invocation]() -> Result<int> {
            RH_ASSIGN(const app::Resolved settings, invocation.settings());
            log_init(settings.config.least_log_level(), settings.config.log_line_format());
            for (const auto& [name, nearest] : app::unknown_variables()) {
                log_event(LogLevel::warning, "an environment variable is no setting of roundhouse",
                          {{"variable", name}, {"nearest", nearest}});
            }
            RH_TRY(app::serve(settings.config));
            return kExitOk;
        };
    });
}

}  // namespace rh::cli
