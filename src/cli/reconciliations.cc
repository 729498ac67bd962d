// `roundhouse reconciliations`, `discrepancies`: what was compared, and where the sides differed.
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/reconciliation_report.h"
#include "model/upload_id.h"

namespace rh::cli {
namespace {

constexpr uint64_t kShown = 20;  // discrepancies of one reconciliation

struct Arguments {
    std::string id;
    Listing listing;
};

// Has the form of an upload's.
Result<std::string> path_of(const std::string& text) {
    const auto id = model::parse_upload_id(text);
    if (!id) {
        return fail(ErrorKind::invalid_request, "usage",
                    fmt::format("\"{}\" is no id of a reconciliation. `roundhouse reconciliations` "
                                "lists them.",
                                text));
    }
    return "/v1/reconciliations/" + model::to_string(*id);
}

std::vector<Cells> reconciliation_cells(const boost::json::object& reconciliation) {
    return {{text_at(reconciliation, "id"), text_at(reconciliation, "state"),
             text_at(reconciliation, "verdict"), text_at(reconciliation, "discrepancies"),
             text_at(reconciliation, "created_at"), text_at(reconciliation, "version"),
             text_at(reconciliation, "upload_id"), text_at(reconciliation, "filename")}};
}

Result<int> list_reconciliations(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    if (!arguments.id.empty()) {
        RH_ASSIGN(const std::string path, path_of(arguments.id));
        RH_ASSIGN(const auto reconciliation, api.get(path));
        RH_TRY(invocation.json ? write_out(json_text(reconciliation) + "\n")
                               : print_report(api, reconciliation, kShown));
        return kExitOk;
    }
    RH_TRY(print_listing(api, "/v1/reconciliations", {}, arguments.listing, invocation.json,
                         {"id", "state", "verdict", "discrepancies", "created_at", "version",
                          "upload_id", "filename"},
                         reconciliation_cells));
    return kExitOk;
}

Result<int> list_discrepancies(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const std::string path, path_of(arguments.id));
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    const RowFormat format = row_format(arguments.listing.format);
    RH_TRY(print_listing(api, path + "/discrepancies", {}, arguments.listing, invocation.json,
                         discrepancy_header(format), [&](const boost::json::object& discrepancy) {
                             return std::vector<Cells>{discrepancy_cells(discrepancy, format)};
                         }));
    return kExitOk;
}

}  // namespace

void add_reconciliations(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "reconciliations", "List reconciliations, newest first, or show one.",
        {"roundhouse reconciliations", "roundhouse reconciliations ID"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("ID", arguments->id, "Reconciliation to show");
    add_listing(command, arguments->listing);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return list_reconciliations(*arguments, invocation);
        };
    });
}

void add_discrepancies(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "discrepancies",
        "List where the sides of a reconciliation differ: player, game, hour, class and figures.",
        {"roundhouse discrepancies ID",
         "roundhouse discrepancies ID --all --format csv > discrepancies.csv"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("ID", arguments->id, "Reconciliation")->required();
    add_listing(command, arguments->listing);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return list_discrepancies(*arguments, invocation);
        };
    });
}

}  // namespace rh::cli
