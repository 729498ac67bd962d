#include "app/config.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ranges>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include "base/kill_point.h"
#include "base/nearest.h"
#include "base/trim.h"
#include "http/cors.h"
#include "http/text.h"
#include "io/file.h"
#include "io/tls.h"

namespace rh::app {
namespace {

constexpr std::string_view kEmbedded = "embedded";

std::unexpected<Error> bad_setting(std::string message) {
    return fail(ErrorKind::invalid_request, "bad_setting", std::move(message));
}

std::optional<uint64_t> parse_count(std::string_view text) {
    uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, unsigned>, 4> kUnits = {
        {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}};
    unsigned shift = 0;
    for (const auto& [unit, bits] : kUnits) {
        if (text.ends_with(unit)) {
            shift = bits;
            text.remove_suffix(unit.size());
            while (text.ends_with(' ')) {
                text.remove_suffix(1);
            }
            break;
        }
    }
    const auto value = parse_count(text);
    if (!value || (*value << shift) >> shift != *value) {
        return std::nullopt;
    }
    return *value << shift;
}

struct HostPort {
    std::string host;
    uint16_t port = 0;
};

std::optional<HostPort> parse_address(std::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) {
        return std::nullopt;
    }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.contains(':')) {
        return std::nullopt;
    }
    const auto port = parse_count(text.substr(colon + 1));
    if (host.empty() || !port || *port > UINT16_MAX) {
        return std::nullopt;
    }
    return HostPort{std::string(host), static_cast<uint16_t>(*port)};
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) {
        const size_t comma = std::min(text.find(','), text.size());
        items.emplace_back(trim_blanks(text.substr(0, comma)));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return items;
}

bool is_name_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.';
}

// It becomes a part of DDL.
bool is_cluster_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_name_character);
}

// As Kafka takes it.
bool is_topic_name(std::string_view text) {
    constexpr size_t kTopicBytesMax = 249;
    return !text.empty() && text.size() <= kTopicBytesMax && text != "." && text != ".." &&
           std::ranges::all_of(text, is_name_character);
}

bool is_choice(std::string_view choices, std::string_view text) {
    while (!choices.empty()) {
        const size_t bar = std::min(choices.find('|'), choices.size());
        if (choices.substr(0, bar) == text) {
            return true;
        }
        choices.remove_prefix(std::min(bar + 1, choices.size()));
    }
    return false;
}

// Host and port of a broker, as librdkafka takes them: with a protocol before them, which it leaves
// out, or without the port. It takes anything else as well, and tries it for ever.
bool is_broker(std::string_view text) {
    for (const std::string_view protocol :
         {"PLAINTEXT://", "SSL://", "SASL_PLAINTEXT://", "SASL_SSL://"}) {
        if (text.starts_with(protocol)) {
            text.remove_prefix(protocol.size());
            break;
        }
    }
    const bool has_port = text.contains(':') && !text.ends_with(']');
    const auto address = parse_address(has_port ? std::string(text) : fmt::format("{}:9092", text));
    if (!address || address->port == 0) {
        return false;
    }
    const bool v6 = address->host.contains(':');
    return std::ranges::all_of(address->host, [&](char c) {
        return is_name_character(c) || (v6 && (c == ':' || c == '%'));
    });
}

// Sets the member from text; the message says what would fit, without the place it stood.
Result<void> assign(Config& config, const Option& option, const std::string& text) {
    if (option.kind == OptionKind::count || option.kind == OptionKind::bytes) {
        const auto value = option.kind == OptionKind::count ? parse_count(text) : parse_bytes(text);
        if (!value || *value < option.least || *value > option.most) {
            return bad_setting(fmt::format(
                "must be a whole number{} from {} to {}",
                option.kind == OptionKind::bytes ? " of bytes (or with KiB, MiB, GiB, TiB)" : "",
                option.least, option.most));
        }
        config.*std::get<uint64_t Config::*>(option.member) = *value;
        return {};
    }
    if (option.kind == OptionKind::boolean) {
        if (text != "true" && text != "false") {
            return bad_setting("must be true or false");
        }
        config.*std::get<bool Config::*>(option.member) = text == "true";
        return {};
    }
    if (option.kind == OptionKind::choice && !is_choice(option.choices, text)) {
        return bad_setting(fmt::format("must be one of {}", option.choices));
    }
    if (option.kind == OptionKind::address && !parse_address(text)) {
        return bad_setting("must be an address and a port, like 127.0.0.1:8080 or [::1]:8080");
    }
    if (option.kind == OptionKind::origins &&
        !std::ranges::all_of(split_list(text), http::is_origin)) {
        return bad_setting(
            "must be origins as browsers write them, like https://app.example or "
            "http://localhost:5173, separated by commas (no path, no *)");
    }
    if (option.kind == OptionKind::brokers && !text.empty() &&
        !std::ranges::all_of(split_list(text), is_broker)) {
        return bad_setting(
            "must be brokers of Kafka, like broker-1:9092 or [::1]:9092, separated by commas");
    }
    if (option.kind == OptionKind::shards && text != kEmbedded) {
        if (auto parsed = clickhouse::parse_shards(text); !parsed) {
            return bad_setting(
                fmt::format("must be {} or URLs, one a shard, separated by commas. {}", kEmbedded,
                            parsed.error().message));
        }
    }
    if (option.kind == OptionKind::cluster && !is_cluster_name(text)) {
        return bad_setting("must be a name of letters, digits, _, - and .");
    }
    if (option.kind == OptionKind::topic && !is_topic_name(text)) {
        return bad_setting("must be a topic's name: letters, digits, _, - and ., at most 249");
    }
    if (option.kind == OptionKind::directory && text.empty()) {
        return bad_setting("must name a directory");
    }
    config.*std::get<std::string Config::*>(option.member) = text;
    return {};
}

bool is_host_and_port(std::string_view text) {
    const size_t colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && !text.ends_with(']');
    return !has_port || parse_count(text.substr(colon + 1)).has_value();
}

// A password in a URL is shown nowhere.
std::string without_logins(const std::string& store) {
    if (store == kEmbedded) {
        return store;
    }
    std::string text;
    for (const auto& shard : clickhouse::parse_shards(store).value()) {
        text += fmt::format("{}http{}://{}{}", text.empty() ? "" : ",", shard.https ? "s" : "",
                            shard.user.empty() ? "" : "***@", clickhouse::address_of(shard));
    }
    return text;
}

std::string shown(const Config& config, const Option& option) {
    if (option.kind == OptionKind::secret) {
        return (config.*std::get<std::string Config::*>(option.member)).empty() ? "" : "(set)";
    }
    if (option.kind == OptionKind::shards) {
        return without_logins(config.store);
    }
    if (option.kind == OptionKind::url) {
        return without_login(config.*std::get<std::string Config::*>(option.member));
    }
    if (const auto* text = std::get_if<std::string Config::*>(&option.member)) {
        return config.**text;
    }
    if (const auto* number = std::get_if<uint64_t Config::*>(&option.member)) {
        return std::to_string(config.**number);
    }
    return config.*std::get<bool Config::*>(option.member) ? "true" : "false";
}

std::string_view nearest_key(std::string_view key) {
    return nearest(key, options() | std::views::transform(&Option::key));
}

using FileValues = std::map<std::string, std::string, std::less<>>;  // key → text

Result<void> collect(const toml::table& table, const std::string& prefix, const std::string& path,
                     FileValues& values) {
    for (const auto& [key, node] : table) {
        const std::string full = prefix + std::string(key.str());
        if (const toml::table* inner = node.as_table()) {
            RH_TRY(collect(*inner, full + ".", path, values));
            continue;
        }
        const auto where = fmt::format("{}:{}", path, node.source().begin.line);
        const auto all = options();
        const auto option = std::ranges::find(all, full, &Option::key);
        if (option == all.end()) {
            return fail(ErrorKind::invalid_request, "unknown_setting",
                        fmt::format("{}: unknown setting `{}`. Did you mean `{}`? `roundhouse "
                                    "config show` lists all of them.",
                                    where, full, nearest_key(full)));
        }
        if (option->kind == OptionKind::secret) {
            return bad_setting(
                fmt::format("{}: `{}` is a secret and may not stand in this file. Set {}{}.", where,
                            full, environment_of(*option),
                            option->audience == Audience::client ? " or key_file" : ""));
        }
        const bool is_boolean = option->kind == OptionKind::boolean;
        const bool is_number = option->kind == OptionKind::count;
        if (node.is_string() && !is_boolean && !is_number) {
            values[full] = node.as_string()->get();
        } else if (node.is_integer() && (is_number || option->kind == OptionKind::bytes)) {
            values[full] = std::to_string(node.as_integer()->get());
        } else if (node.is_boolean() && is_boolean) {
            values[full] = node.as_boolean()->get() ? "true" : "false";
        } else {
            return bad_setting(fmt::format(
                "{}: `{}` must be {}.", where, full,
                is_boolean ? "true or false" : (is_number ? "a whole number" : "a string")));
        }
    }
    return {};
}

Result<FileValues> read_values(const std::string& path) {
    RH_ASSIGN(const std::string text, io::read_file(path));
    const toml::parse_result parsed = toml::parse(std::string_view(text));
    if (!parsed) {
        return fail(ErrorKind::invalid_request, "bad_config_file",
                    fmt::format("{}:{}: {}.", path, parsed.error().source().begin.line,
                                parsed.error().description()));
    }
    FileValues values;
    RH_TRY(collect(parsed.table(), "", path, values));
    return values;
}

}  // namespace

std::string Config::listen_address() const { return parse_address(listen).value().host; }
Result<std::vector<clickhouse::Endpoint>> Config::shards() const {
    if (store == kEmbedded) {
        return std::vector<clickhouse::Endpoint>();
    }
    auto shards = clickhouse::parse_shards(store).value();
    std::shared_ptr<const io::TlsContext> tls;
    if (std::ranges::any_of(shards, &clickhouse::Endpoint::https)) {
        RH_ASSIGN(tls, io::TlsContext::create(tls_ca_file));
    }
    for (auto& shard : shards) {
        shard.tls = shard.https ? tls : nullptr;
        if (!shard.user.empty() && shard.password.empty()) {
            shard.password = clickhouse_password;
        }
    }
    return shards;
}

Result<void> Config::check_choices() const {
    if (engines() == clickhouse::Engines::replicated && store == kEmbedded) {
        return bad_setting(
            "--clickhouse-engines=replicated needs the servers of a cluster, --store=URL,URL…; the "
            "ClickHouse that the server starts itself has no other replica.");
    }
    if (engines() == clickhouse::Engines::replicated && consumer == "clickhouse") {
        return bad_setting(
            "--clickhouse-engines=replicated goes with --consumer=roundhouse only: Kafka engine "
            "tables insert into whichever replica of a shard, and it is not known which one has "
            "all rows of an upload.");
    }
    if (consumer == "roundhouse" ||
        (log == "kafka" && store != kEmbedded && !kafka_brokers.empty() && !registry_url.empty())) {
        return {};
    }
    return bad_setting(
        "--consumer=clickhouse needs --log=kafka with --kafka-brokers and --registry-url, and the "
        "servers of a cluster, --store=URL,URL…, which read the topic then.");
}

std::optional<clickhouse::KafkaSource> Config::consumed_by_clickhouse() const {
    if (consumer == "roundhouse") {
        return std::nullopt;
    }
    return clickhouse::KafkaSource{.brokers = kafka_brokers,
                                   .topic = kafka_topic,
                                   .group = kafka_group,
                                   .registry_url = registry_url};
}

clickhouse::Engines Config::engines() const {
    return clickhouse_engines == "plain" ? clickhouse::Engines::plain
                                         : clickhouse::Engines::replicated;
}

std::vector<std::string> Config::cors_origins() const { return split_list(http_cors_origins); }
uint16_t Config::listen_port() const { return parse_address(listen).value().port; }

LogLevel Config::least_log_level() const {
    return log_level == "debug"     ? LogLevel::debug
           : log_level == "warning" ? LogLevel::warning
           : log_level == "error"   ? LogLevel::error
                                    : LogLevel::info;
}

LogFormat Config::log_line_format() const {
    return log_format == "text"   ? LogFormat::text
           : log_format == "json" ? LogFormat::json
                                  : LogFormat::automatic;
}

std::optional<std::string> process_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string without_login(std::string url) {
    const size_t scheme = url.find("://");
    const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
    const size_t end = std::min(url.find_first_of("/?#", begin), url.size());
    size_t at = url.substr(begin, end - begin).rfind('@');
    if (at == std::string::npos && !is_host_and_port(url.substr(begin, end - begin))) {
        at = url.substr(begin).rfind('@');  // the password has a / of its own
    }
    if (at != std::string::npos) {
        url.replace(begin, at, "***");
    }
    return url;
}

std::vector<UnknownVariable> unknown_variables() {
    std::vector<std::string> known = {"ROUNDHOUSE_CONFIG", std::string(kKillAtVariable)};
    for (const Option& option : options()) {
        known.push_back(environment_of(option));
    }
    std::vector<UnknownVariable> unknown;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        const std::string_view name = text.substr(0, text.find('='));
        if (name.starts_with("ROUNDHOUSE_") && std::ranges::find(known, name) == known.end()) {
            unknown.push_back({std::string(name), std::string(nearest(name, known))});
        }
    }
    return unknown;
}

Result<Resolved> resolve(const Sources& sources) {
    // An empty variable counts as one that is not set: shells and compose files make such.
    const auto environment = [&](const std::string& name) {
        auto value = sources.environment ? sources.environment(name) : std::nullopt;
        return value && !value->empty() ? value : std::nullopt;
    };
    Resolved resolved;
    resolved.file =
        !sources.file.empty() ? sources.file : environment("ROUNDHOUSE_CONFIG").value_or("");
    FileValues file_values;
    if (!resolved.file.empty()) {
        RH_ASSIGN(file_values, read_values(resolved.file));
    }
    for (const Option& option : options()) {
        Resolved::Value value{&option, "", Origin::default_value, "default"};
        std::optional<std::string> text;
        const auto flag = sources.flags.find(option.key);
        const auto in_environment = environment(environment_of(option));
        const auto in_file = file_values.find(option.key);
        if (flag != sources.flags.end()) {
            value.origin = Origin::flag;
            value.origin_name = flag_of(option);
            text = flag->second;
        } else if (in_environment) {
            value.origin = Origin::environment;
            value.origin_name = environment_of(option);
            text = in_environment;
        } else if (in_file != file_values.end()) {
            value.origin = Origin::file;
            value.origin_name = resolved.file;
            text = in_file->second;
        }
        if (text) {
            if (const auto assigned = assign(resolved.config, option, *text); !assigned) {
                const bool named = value.origin == Origin::file;
                const bool may_hold_secret = option.kind == OptionKind::shards ||
                                             option.kind == OptionKind::url ||
                                             option.kind == OptionKind::secret;
                return bad_setting(
                    fmt::format("{}{}{} {}{}", value.origin_name, named ? ": " : "",
                                named ? option.key : "", assigned.error().message,
                                may_hold_secret ? "" : fmt::format(", not \"{}\".", *text)));
            }
        }
        value.value = shown(resolved.config, option);
        resolved.values.push_back(std::move(value));
    }
    return resolved;
}

}  // namespace rh::app
