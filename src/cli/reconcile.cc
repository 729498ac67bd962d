// `roundhouse reconcile FILE_OR_ID`: is what is served what was uploaded, or what a provider
// states?
#include <chrono>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reconciliation_report.h"
#include "cli/row_flags.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "model/upload_id.h"

namespace rh::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{200};

struct Arguments {
    std::string what;
    RowFlags rows;
    std::string from, to;
    std::vector<std::string> game_ids, providers;
    uint64_t show = 20;
    bool strict = false;
};

// A file of that name would be a statement.
std::optional<model::UploadId> upload_of(const Arguments& arguments) {
    return io::exists(arguments.what) ? std::nullopt : model::parse_upload_id(arguments.what);
}

Result<void> check_arguments(const Arguments& arguments, bool is_upload) {
    const auto& [encoding, delimiter, timezone, empty_amount, allow_negative] = arguments.rows;
    const bool scoped = !arguments.from.empty() || !arguments.to.empty() ||
                        !arguments.game_ids.empty() || !arguments.providers.empty();
    const bool read_as = !encoding.empty() || !delimiter.empty() || !timezone.empty() ||
                         !empty_amount.empty() || allow_negative;
    if (is_upload && (scoped || read_as)) {
        return fail(ErrorKind::invalid_request, "usage",
                    fmt::format("An upload is reconciled whole, and read as when it came: {} "
                                "belong to a statement's file.",
                                scoped ? "--from, --to, --game-id and --provider"
                                       : "the flags that say how rows are read"));
    }
    const std::string& what = arguments.what;
    if (!is_upload && what != "-" && !io::exists(what)) {
        return fail(ErrorKind::not_found, "file_not_found",
                    fmt::format("There is no file {}, and it is no whole id of an upload. "
                                "`roundhouse uploads` lists the ids.",
                                what));
    }
    return {};
}

Result<boost::json::object> begin(const ApiClient& api, const Arguments& arguments,
                                  Progress& progress) {
    io::HttpRequest request;
    request.method = "POST";
    const auto id = upload_of(arguments);
    RH_TRY(check_arguments(arguments, id.has_value()));
    if (id) {
        const std::string body = fmt::format(R"({{"upload_id":"{}"}})", model::to_string(*id));
        const std::string_view piece = body;
        request.target = "/v1/reconciliations";
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = std::span(&piece, 1);
        return api.send(std::move(request));
    }
    Query query = query_of(arguments.rows);
    query.emplace_back("filename", file_name_of(arguments.what));
    query.emplace_back("from", arguments.from);
    query.emplace_back("to", arguments.to);
    for (const auto& game : arguments.game_ids) {
        query.emplace_back("game_id", game);
    }
    for (const auto& provider : arguments.providers) {
        query.emplace_back("provider", provider);
    }
    uint64_t of_bytes = 0;
    RH_ASSIGN(FileBody body, FileBody::open(arguments.what, [&](uint64_t bytes) {
                  progress.show("sending", bytes, of_bytes, true);
              }));
    of_bytes = body.bytes().value_or(0);
    request.target = with_query("/v1/reconciliations", query);
    request.headers.emplace_back("Content-Type", "text/csv");
    body.attach(request);
    return api.send(std::move(request));
}

Result<boost::json::object> wait(const ApiClient& api, const Arguments& arguments) {
    Progress progress(file_name_of(arguments.what));
    RH_ASSIGN(boost::json::object reconciliation, begin(api, arguments, progress));
    const std::string target = "/v1/reconciliations/" + text_at(reconciliation, "id");
    while (text_at(reconciliation, "state") == "running") {
        progress.show("comparing", 0, 0, false);
        std::this_thread::sleep_for(kPoll);
        RH_ASSIGN(reconciliation, api.get(target));
    }
    return reconciliation;
}

Result<int> reconcile(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    RH_ASSIGN(const boost::json::object reconciliation, wait(api, arguments));
    const std::string verdict = text_at(reconciliation, "verdict");
    const bool done = text_at(reconciliation, "state") == "done";
    RH_TRY(invocation.json ? write_out(json_text(reconciliation) + "\n")
                           : print_report(api, reconciliation, arguments.show));
    if (!done) {
        // A shard, say, that did not answer: the same may go well in a moment.
        return text_at(object_at(reconciliation, "error"), "code").ends_with("_unavailable")
                   ? kExitUnreachable
                   : kExitFailure;
    }
    if (verdict != "matched") {
        return kExitMismatch;
    }
    return arguments.strict && rejected_rows(reconciliation) > 0 ? kExitRejects : kExitOk;
}

}  // namespace

void add_reconcile(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "reconcile",
        "Compare an upload, or a provider's CSV statement, with what is stored and served.",
        {"roundhouse reconcile ID",
         "roundhouse reconcile statement.csv --from 2019-10-01 --to 2019-11-01 --provider \"Play'n "
         "GO\"",
         "roundhouse reconcile --strict --json statement.csv"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("FILE_OR_ID", arguments->what, "Id of an upload, or a CSV file")->required();
    command.add_option("--from", arguments->from, "Scope of a statement: from this time on");
    command.add_option("--to", arguments->to, "Scope of a statement: up to this time");
    command.add_option("--game-id", arguments->game_ids, "Scope of a statement: this game")
        ->allow_extra_args(false);
    command.add_option("--provider", arguments->providers, "Scope of a statement: this provider")
        ->allow_extra_args(false);
    command.add_option("--show", arguments->show, "How many discrepancies to print")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command.add_flag("--strict", arguments->strict,
                     "Exit with 3 if all that was compared matched, but rows were refused");
    add_row_flags(command, arguments->rows);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return reconcile(*arguments, invocation); };
    });
}

}  // namespace rh::cli
