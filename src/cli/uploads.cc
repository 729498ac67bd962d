// `roundhouse uploads`, `rejects`, `void`, `cancel`, `delete`: what is there, and changes to it.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/upload_report.h"
#include "model/upload_id.h"

namespace rh::cli {
namespace {

// An id goes into a path, so it must be one.
Result<std::string> checked_id(const std::string& text) {
    const auto id = model::parse_upload_id(text);
    if (!id) {
        return fail(ErrorKind::invalid_request, "bad_upload_id",
                    fmt::format("\"{}\" is no upload id. `roundhouse uploads` lists them.", text));
    }
    return model::to_string(*id);
}

struct ListArguments {
    std::string id;
    std::string state;
    std::string filename;
    Listing listing;
};

Cells upload_cells(const boost::json::object& upload) {
    const auto& rows = object_at(upload, "rows");
    return {text_at(upload, "id"),
            text_at(upload, "state"),
            text_at(upload, "created_at"),
            text_at(rows, "accepted"),
            text_at(rows, "rejected"),
            text_at(upload, "bytes"),
            text_at(upload, "stored_version"),
            text_at(upload, "voided_version"),
            text_at(upload, "filename")};
}

Result<int> list_uploads(const ListArguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    if (!arguments.id.empty()) {
        RH_ASSIGN(const std::string id, checked_id(arguments.id));
        RH_ASSIGN(const auto upload, api.get("/v1/uploads/" + id));
        RH_TRY(write_out(invocation.json ? json_text(upload) + "\n" : upload_text(upload)));
        return kExitOk;
    }
    RH_TRY(print_listing(api, "/v1/uploads",
                         {{"state", arguments.state}, {"filename", arguments.filename}},
                         arguments.listing, invocation.json,
                         {"id", "state", "created_at", "accepted", "rejected", "bytes",
                          "stored_version", "voided_version", "filename"},
                         [](const boost::json::object& upload) {
                             return std::vector<Cells>{upload_cells(upload)};
                         }));
    return kExitOk;
}

// One line a fault, as the API's CSV has it.
std::vector<Cells> reject_cells(const boost::json::object& reject) {
    std::vector<Cells> rows;
    const auto* faults = reject.if_contains("faults");
    if (faults == nullptr || !faults->is_array()) {
        return rows;
    }
    for (const auto& item : faults->get_array()) {
        const auto& fault = item.get_object();
        rows.push_back({text_at(reject, "line"), text_at(reject, "row"), text_at(fault, "column"),
                        text_at(fault, "code"), text_at(fault, "value"),
                        in_flags(text_at(fault, "detail"))});
    }
    return rows;
}

struct IdArguments {
    std::string id;
    Listing listing;
};

Result<int> list_rejects(const IdArguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const std::string id, checked_id(arguments.id));
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    RH_TRY(print_listing(api, fmt::format("/v1/uploads/{}/rejects", id), {}, arguments.listing,
                         invocation.json, {"line", "row", "column", "code", "value", "detail"},
                         reject_cells));
    return kExitOk;
}

Result<int> change(const std::string& text, std::string_view action, const Invocation& invocation) {
    RH_ASSIGN(const std::string id, checked_id(text));
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    const bool remove = action == "delete";
    io::HttpRequest request;
    request.method = remove ? "DELETE" : "POST";
    request.target = remove ? "/v1/uploads/" + id : fmt::format("/v1/uploads/{}/{}", id, action);
    RH_ASSIGN(auto upload, api.send(std::move(request)));
    if (remove) {
        upload["id"] = id;
        upload["state"] = "deleted";
    }
    RH_TRY(write_out(invocation.json ? json_text(upload) + "\n"
                     : remove        ? id + ": deleted\n"
                                     : upload_text(upload)));
    if (action == "cancel" && text_at(upload, "state") != "cancelled") {
        say("The cancel is noted: the upload ends when its rows are out of ClickHouse, which takes "
            "its time or does not answer.");
    }
    return kExitOk;
}

void add_change(CLI::App& program, Invocation& invocation, std::string_view action,
                std::string_view what) {
    CLI::App& command =
        add_command(program, invocation, action, what, {fmt::format("roundhouse {} ID", action)});
    auto id = std::make_shared<std::string>();
    command.add_option("ID", *id, "Upload")->required();
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, id, action = std::string(action)] {
        invocation.action = [&invocation, id, action] { return change(*id, action, invocation); };
    });
}

}  // namespace

void add_uploads(CLI::App& program, Invocation& invocation) {
    CLI::App& command =
        add_command(program, invocation, "uploads", "List uploads, newest first, or show one.",
                    {"roundhouse uploads", "roundhouse uploads --state failed --json",
                     "roundhouse uploads ID"});
    auto arguments = std::make_shared<ListArguments>();
    command.add_option("ID", arguments->id, "Upload to show");
    command.add_option("--state", arguments->state, "Only uploads in this state");
    command.add_option("--filename", arguments->filename, "Only uploads of this file name");
    add_listing(command, arguments->listing);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return list_uploads(*arguments, invocation);
        };
    });
}

void add_rejects(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "rejects", "List the refused rows of an upload: where, what and why.",
        {"roundhouse rejects ID", "roundhouse rejects ID --all --format csv > rejects.csv"});
    auto arguments = std::make_shared<IdArguments>();
    command.add_option("ID", arguments->id, "Upload")->required();
    add_listing(command, arguments->listing);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return list_rejects(*arguments, invocation);
        };
    });
}

void add_changes(CLI::App& program, Invocation& invocation) {
    add_change(program, invocation, "void",
               "Take a stored upload out of the figures; its history stays.");
    add_change(program, invocation, "cancel", "Stop an upload that is not stored yet.");
    add_change(program, invocation, "delete", "Remove an upload that is not stored.");
}

}  // namespace rh::cli
