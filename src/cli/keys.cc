// `roundhouse keys`: API keys of a data directory. A running server sees the change by itself.
#include "auth/keys.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/rows.h"
#include "io/file.h"
#include "model/timestamp.h"
#include "uploads/layout.h"

namespace rh::cli {
namespace {

struct Arguments {
    std::string name = "default";
    std::vector<std::string> scopes;
    std::string which;
    std::string format;
};

std::string scopes_text(const auth::Key& key) {
    std::string text;
    for (const auto scope : key.scopes) {
        text += fmt::format("{}{}", text.empty() ? "" : ",", auth::name(scope));
    }
    return text;
}

std::string revoked_text(const auth::Key& key) {
    return key.revoked_at ? model::format_rfc3339(*key.revoked_at) : "";
}

boost::json::object key_json(const auth::Key& key) {
    boost::json::array scopes;
    for (const auto scope : key.scopes) {
        scopes.emplace_back(auth::name(scope));
    }
    boost::json::object out = {{"id", key.id}, {"name", key.name}};
    out["scopes"] = std::move(scopes);
    out["created_at"] = model::format_rfc3339(key.created_at);
    out["revoked_at"] = key.revoked_at ? boost::json::value(revoked_text(key)) : nullptr;
    return out;
}

// What `serve` or the first key has made, not just any directory.
bool is_data_directory(const std::string& path) {
    return io::exists(uploads::Layout::ledger_path(path)) || io::exists(auth::KeyFile(path).path());
}

std::unexpected<Error> no_data_directory(const std::string& path) {
    return fail(ErrorKind::not_found, "no_data_directory",
                fmt::format("{} is no data directory: it has neither uploads nor keys. --data DIR "
                            "names the one of the server.",
                            path));
}

Result<auth::KeyFile> open_keys(const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    if (!is_data_directory(settings.config.data)) {
        return no_data_directory(settings.config.data);
    }
    return auth::KeyFile(settings.config.data);
}

bool is_default(const app::Resolved& settings, std::string_view key) {
    return std::ranges::any_of(settings.values, [key](const app::Resolved::Value& value) {
        return value.option->key == key && value.origin == app::Origin::default_value;
    });
}

Result<int> create(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    // A first key may be made before the first start, but only where somebody said so: a key in a
    // directory that no server uses opens nothing.
    if (!is_data_directory(settings.config.data) && is_default(settings, "data")) {
        return no_data_directory(settings.config.data);
    }
    std::string scopes;
    for (const auto& scope : arguments.scopes) {
        scopes += (scopes.empty() ? "" : ",") + scope;
    }
    RH_ASSIGN(auto parsed, auth::parse_scopes(scopes));
    RH_TRY(io::make_directories(settings.config.data));
    auth::KeyFile file(settings.config.data);
    RH_ASSIGN(const auto created, file.create(arguments.name, std::move(parsed)));
    if (invocation.json) {
        boost::json::object out = key_json(created.key);
        out["key"] = created.secret;
        RH_TRY(write_out(json_text(out) + "\n"));
        return kExitOk;
    }
    say(fmt::format("Key {} ({}) for {}, noted in {}. It is shown this once; keep it.",
                    created.key.id, created.key.name, scopes_text(created.key), file.path()));
    RH_TRY(write_out(created.secret + "\n"));
    return kExitOk;
}

Result<int> list(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const auth::KeyFile file, open_keys(invocation));
    RH_ASSIGN(const auto keys, file.list());
    if (invocation.json) {
        boost::json::array data;
        for (const auto& key : keys) {
            data.push_back(key_json(key));
        }
        const boost::json::object out = {{"data", std::move(data)}};
        RH_TRY(write_out(json_text(out) + "\n"));
        return kExitOk;
    }
    RowPrinter printer(row_format(arguments.format),
                       {"id", "name", "scopes", "created_at", "revoked_at"});
    std::vector<Cells> rows;
    for (const auto& key : keys) {
        rows.push_back({key.id, key.name, scopes_text(key), model::format_rfc3339(key.created_at),
                        revoked_text(key)});
    }
    RH_TRY(printer.print(rows));
    return kExitOk;
}

Result<int> revoke(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(auth::KeyFile file, open_keys(invocation));
    RH_ASSIGN(const auth::Key key, file.revoke(arguments.which));
    RH_TRY(write_out(invocation.json ? json_text(key_json(key)) + "\n"
                                     : fmt::format("{} ({}): revoked\n", key.id, key.name)));
    return kExitOk;
}

}  // namespace

void add_keys(CLI::App& program, Invocation& invocation) {
    CLI::App& keys = add_command(
        program, invocation, "keys", "Make, list and revoke the API keys of a data directory.",
        {"roundhouse keys create --data DIR --scope upload,read > key",
         "roundhouse keys list --data DIR", "roundhouse keys revoke --data DIR ID"});
    keys.require_subcommand(1);
    auto arguments = std::make_shared<Arguments>();
    CLI::App& made = add_command(
        keys, invocation, "create", "Make a key and print it, this once; only its hash is kept.",
        {"roundhouse keys create --data DIR --name loader --scope upload"});
    made.add_option("--scope", arguments->scopes,
                    "upload, read, reconcile, admin; several by comma")
        ->required()
        ->delimiter(',');
    made.add_option("--name", arguments->name, "Name for people")->capture_default_str();
    add_settings(made, invocation, {"data"});
    made.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return create(*arguments, invocation); };
    });
    CLI::App& listed = add_command(keys, invocation, "list", "List the keys, without secrets.",
                                   {"roundhouse keys list --data DIR --json"});
    listed.add_option("--format", arguments->format, "table or csv")
        ->check(CLI::IsMember({"table", "csv"}));
    add_settings(listed, invocation, {"data"});
    listed.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return list(*arguments, invocation); };
    });
    CLI::App& revoked = add_command(keys, invocation, "revoke", "Make a key useless from now on.",
                                    {"roundhouse keys revoke --data DIR loader"});
    revoked.add_option("KEY", arguments->which, "Id or name of the key")->required();
    add_settings(revoked, invocation, {"data"});
    revoked.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return revoke(*arguments, invocation); };
    });
}

}  // namespace rh::cli
