// `roundhouse health`: what a container's or a supervisor's health check runs. Exit codes: 0 fine,
// 1 not, or only in part (degraded; 0 with --allow-degraded), 5 nobody answers.
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "base/harmless.h"
#include "base/trim.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"

namespace rh::cli {
namespace {

struct HealthArguments {
    bool live = false;
    bool allow_degraded = false;
};

Result<int> health(const HealthArguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    RH_ASSIGN(const ApiClient::Plain answer, api.get_plain(arguments.live ? "/livez" : "/readyz"));
    const std::string text(trim_blanks(answer.text, kBlanksAndLineEnds));
    const bool fine =
        answer.status == 200 && (arguments.allow_degraded || !text.starts_with("degraded"));
    RH_TRY(write_out(invocation.json
                         ? json_text(boost::json::object{{"ok", fine}, {"detail", text}}) + "\n"
                         : harmless(text) + "\n"));
    return fine ? kExitOk : kExitFailure;
}

}  // namespace

void add_health(CLI::App& program, Invocation& invocation) {
    CLI::App& command =
        add_command(program, invocation, "health",
                    "Ask the server whether it is ready, and if not, why. Needs no API key.",
                    {"roundhouse health", "roundhouse health --live --server http://HOST:PORT"});
    auto arguments = std::make_shared<HealthArguments>();
    command.add_flag("--live", arguments->live,
                     "Ask only whether it answers: a server that waits for ClickHouse or Kafka is "
                     "not ready, and restarting it would not help");
    command.add_flag("--allow-degraded", arguments->allow_degraded,
                     "Exit code 0 also if it is degraded: it takes files, and what keeps it from "
                     "giving all figures is not mended by taking it out of service");
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return health(*arguments, invocation); };
    });
}

}  // namespace rh::cli
