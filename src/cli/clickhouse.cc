// `roundhouse clickhouse`: the engine itself, and how to reach the one that a server runs;
// `roundhouse migrate`: the tables and views of queries/.
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/embedded.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "clickhouse/client.h"
#include "clickhouse/migrate.h"
#include "clickhouse/store.h"
#include "io/file.h"
#include "io/tls.h"

namespace rh::cli {
namespace {

struct Connection {
    std::string url, user, password, database;
};

// A server that was killed leaves the file behind, and its ClickHouse ended with it. Then neither
// process nor port are ClickHouse's any more, and a password must not go to whoever has them now.
Result<bool> is_alive(const boost::json::object& connection) {
    std::array<char, 4096> command{};  // the child as clickhouse/server.cc starts it
    auto file = io::File::open_read(fmt::format("/proc/{}/cmdline", text_at(connection, "pid")));
    const auto got = file ? file->read(command) : Result<size_t>(0);
    constexpr std::string_view kWords("\0clickhouse\0server\0", 19);
    if (!got || !std::string_view(command.data(), *got).contains(kWords)) {
        return false;
    }
    RH_ASSIGN(auto endpoint, clickhouse::parse_endpoint(text_at(connection, "url")));
    return clickhouse::Client(std::move(endpoint)).ping().has_value();
}

std::unexpected<Error> not_running(const std::string& data, std::string_view why) {
    return fail(ErrorKind::unavailable, "clickhouse_not_running",
                fmt::format("No server runs on {}, or its ClickHouse does not answer ({}). Start "
                            "one with `roundhouse serve --data {}`.",
                            data, why, data));
}

Result<Connection> read_connection(const std::string& data, bool read_only) {
    const std::string path = data + "/clickhouse/connection.json";
    const auto text = io::read_file(path);
    if (!text) {
        if (text.error().kind != ErrorKind::not_found) {
            return std::unexpected(text.error());
        }
        return not_running(data, path + " is not there");
    }
    boost::system::error_code error;
    const auto value = boost::json::parse(*text, error);
    if (error || !value.is_object()) {
        return fail(ErrorKind::internal, "connection_unreadable",
                    fmt::format("{} is damaged; the server writes it anew when it starts.", path));
    }
    const auto& object = value.get_object();
    RH_ASSIGN(const bool alive, is_alive(object));
    if (!alive) {
        return not_running(data, path + " is of one that ended");
    }
    const auto& user = object_at(object, read_only ? "reader" : "owner");
    return Connection{text_at(object, "url"), text_at(user, "user"), text_at(user, "password"),
                      text_at(object, "database")};
}

Result<int> info(const Invocation& invocation, bool read_only) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    RH_ASSIGN(const Connection found, read_connection(settings.config.data, read_only));
    const boost::json::object out = {{"url", found.url},
                                     {"user", found.user},
                                     {"password", found.password},
                                     {"database", found.database}};
    RH_TRY(write_out(invocation.json
                         ? json_text(out) + "\n"
                         : fmt::format("url       {}\nuser      {}\npassword  {}\ndatabase  {}\n",
                                       found.url, found.user, found.password, found.database)));
    return kExitOk;
}

struct MigrateArguments {
    std::string url;
    std::string user = "default";
    std::string database = "roundhouse";
    std::string password_file;
};

// The server of --clickhouse, or the one that runs on --data.
Result<clickhouse::Endpoint> endpoint_of(const MigrateArguments& arguments,
                                         const app::Config& config) {
    if (arguments.url.empty()) {
        RH_ASSIGN(const Connection found, read_connection(config.data, false));
        RH_ASSIGN(auto endpoint, clickhouse::parse_endpoint(found.url));
        endpoint.user = found.user;
        endpoint.password = found.password;
        endpoint.database = found.database;
        return endpoint;
    }
    RH_ASSIGN(auto endpoint, clickhouse::parse_endpoint(arguments.url));
    if (endpoint.https) {
        RH_ASSIGN(endpoint.tls, io::TlsContext::create(config.tls_ca_file));
    }
    if (endpoint.user.empty()) {
        endpoint.user = arguments.user;
    }
    endpoint.database = arguments.database;
    if (endpoint.password.empty()) {
        endpoint.password = app::process_environment("ROUNDHOUSE_CLICKHOUSE_PASSWORD").value_or("");
    }
    if (!arguments.password_file.empty()) {
        RH_ASSIGN(const std::string text, io::read_file(arguments.password_file));
        endpoint.password = text.substr(0, text.find_first_of("\r\n"));
    }
    return endpoint;
}

Result<int> migrate(const MigrateArguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    RH_TRY(settings.config.check_choices());
    RH_ASSIGN(auto shards, settings.config.shards());
    const auto consumed = settings.config.consumed_by_clickhouse();
    const bool is_cluster = arguments.url.empty() && !shards.empty();
    if (is_cluster) {
        RH_TRY(clickhouse::Store::connect(std::move(shards), settings.config.clickhouse_cluster,
                                          consumed, settings.config.engines())
                   ->migrate());
    } else {
        RH_ASSIGN(auto endpoint, endpoint_of(arguments, settings.config));
        const clickhouse::Client owner(std::move(endpoint));
        RH_TRY(clickhouse::check_engines(owner, settings.config.engines()));
        RH_TRY(clickhouse::migrate(owner, {}, settings.config.engines()));
    }
    boost::json::array files;
    const std::span<const EmbeddedFile> none;
    for (const auto list :
         {clickhouse::migration_files(), is_cluster ? clickhouse::cluster_files() : none,
          is_cluster && consumed ? clickhouse::consumer_files() : none}) {
        for (const auto& file : list) {
            files.emplace_back(file.name);
            if (!invocation.json) {
                RH_TRY(write_out(fmt::format("{}\n", file.name)));
            }
        }
    }
    if (invocation.json) {
        const boost::json::object out = {{"applied", std::move(files)}};
        RH_TRY(write_out(json_text(out) + "\n"));
    }
    return kExitOk;
}

}  // namespace

void add_clickhouse(CLI::App& program, Invocation& invocation) {
    CLI::App& command =
        add_command(program, invocation, "clickhouse",
                    "Run the ClickHouse engine, or say how to reach the one that a server runs.",
                    {"roundhouse clickhouse info --data DIR --json",
                     "roundhouse clickhouse info --data DIR --read-only",
                     "roundhouse clickhouse local --query \"SELECT version()\""});
    command.require_subcommand(1);
    add_command(command, invocation, "local", "Everything that `clickhouse local` does.", {});
    CLI::App& shown = add_command(
        command, invocation, "info",
        "Print URL, user, password and database of the ClickHouse that a running server has.",
        {"roundhouse clickhouse info --data DIR --read-only"});
    auto read_only = std::make_shared<bool>(false);
    shown.add_flag("--read-only", *read_only, "Of the user who may only read");
    add_settings(shown, invocation, {"data"});
    shown.callback([&invocation, read_only] {
        invocation.action = [&invocation, read_only] { return info(invocation, *read_only); };
    });
}

void add_migrate(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "migrate",
        "Apply the tables and views of queries/ to a ClickHouse, or to every shard of a cluster. "
        "Doing it again changes nothing.",
        {"roundhouse migrate --data DIR",
         "ROUNDHOUSE_STORE=http://USER:PASSWORD@HOST:8123,http://USER:PASSWORD@HOST2:8123 "
         "roundhouse migrate",
         "ROUNDHOUSE_CLICKHOUSE_PASSWORD=… roundhouse migrate --clickhouse http://HOST:8123"});
    auto arguments = std::make_shared<MigrateArguments>();
    command.add_option(
        "--clickhouse", arguments->url,
        "URL of one ClickHouse; without it those of --store, or the one of the server on --data");
    command.add_option("--user", arguments->user, "User of --clickhouse")->capture_default_str();
    command.add_option("--database", arguments->database, "Database of --clickhouse")
        ->capture_default_str();
    command.add_option("--password-file", arguments->password_file,
                       "File whose first line is the password of --clickhouse "
                       "[ROUNDHOUSE_CLICKHOUSE_PASSWORD]");
    add_settings(command, invocation,
                 {"data", "store", "clickhouse.cluster", "clickhouse.engines", "tls.ca_file", "log",
                  "consumer", "kafka.brokers", "kafka.topic", "kafka.group", "registry.url"});
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return migrate(*arguments, invocation); };
    });
}

}  // namespace rh::cli
