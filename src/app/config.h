// Every setting of the program, in one table: a row gives the TOML key, and with it the flag
// (`http.workers` → `--http-workers`) and the environment variable (ROUNDHOUSE_HTTP_WORKERS), the
// bounds, the default and the sentence of the reference page. The strongest source wins:
// flag > environment > TOML file > default. Resolved once at start, constant afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "clickhouse/consumer_tables.h"
#include "clickhouse/endpoint.h"
#include "clickhouse/table_engines.h"

namespace rh::app {

// Values as the rooms use them; `_s` are seconds, `_bytes` bytes. Defaults stand here only.
struct Config {
    std::string data = "roundhouse-data";
    std::string listen = "127.0.0.1:8080";
    uint64_t drain_s = 5;
    std::string keys_first_file;

    std::string log_level = "info";
    std::string log_format = "auto";

    uint64_t http_workers = 32;
    uint64_t http_connections_max = 1024;
    uint64_t http_head_bytes_max = 32 * 1024;
    uint64_t http_target_bytes_max = 8 * 1024;
    uint64_t http_head_timeout_s = 15;
    uint64_t http_idle_timeout_s = 75;
    uint64_t http_read_timeout_s = 60;
    uint64_t http_write_timeout_s = 60;
    std::string http_cors_origins;

    uint64_t upload_body_bytes_max = 64ULL << 30;
    uint64_t upload_unpacked_bytes_max = 256ULL << 30;
    uint64_t upload_decompression_ratio_max = 200;
    uint64_t upload_simultaneous_max = 8;
    uint64_t upload_free_disk_bytes_min = 512ULL << 20;

    bool avro_deflate = false;

    std::string log = "embedded";
    std::string kafka_brokers;
    std::string kafka_topic = "staging-bets";
    std::string kafka_control_topic = "roundhouse-uploads";
    uint64_t kafka_partitions = 12;
    uint64_t kafka_replication = 0;
    std::string kafka_group = "roundhouse";
    std::string kafka_properties_file;
    std::string kafka_library;
    std::string registry_url;

    std::string store = "embedded";
    std::string consumer = "roundhouse";
    std::string clickhouse_cluster = "rivertech";
    std::string clickhouse_engines = "plain";
    std::string clickhouse_password;
    std::string tls_ca_file = "/etc/ssl/certs/ca-certificates.crt";

    std::string clickhouse_libchdb;
    uint64_t clickhouse_memory_bytes_max = 0;
    uint64_t clickhouse_hung_after_s = 60;
    uint64_t clickhouse_http_port = 0;
    uint64_t clickhouse_tcp_port = 0;

    uint64_t reconcile_simultaneous_max = 1;

    uint64_t audit_interval_s = 600;

    std::string server = "http://127.0.0.1:8080";
    std::string api_key;
    std::string key_file;

    // The two halves of `listen`, which resolve() has checked.
    std::string listen_address() const;
    uint16_t listen_port() const;
    std::vector<std::string> cors_origins() const;
    // The shards of `store`, with clickhouse.password where a URL has none; empty: embedded. Error
    // invalid_request tls_ca_file, if one is https.
    Result<std::vector<clickhouse::Endpoint>> shards() const;
    // Error invalid_request bad_setting if `consumer` or `clickhouse.engines` does not go with the
    // rest.
    Result<void> check_choices() const;
    // What the servers of `store` read from Kafka themselves; nothing: roundhouse does.
    std::optional<clickhouse::KafkaSource> consumed_by_clickhouse() const;
    clickhouse::Engines engines() const;
    LogLevel least_log_level() const;
    LogFormat log_line_format() const;
};

enum class OptionKind : uint8_t {
    text,
    directory,  // a path that is not empty: an empty one would be the root
    choice,     // one of `choices`
    boolean,    // true or false
    count,      // a whole number
    bytes,      // a whole number, or with KiB, MiB, GiB, TiB behind it
    address,    // host:port, [v6]:port
    origins,    // scheme://host:port of web pages, separated by commas
    cluster,    // a name as it stands in a configuration of ClickHouse
    topic,      // a topic's name in Kafka
    shards,     // embedded, or URLs of ClickHouse; shown without user and password
    brokers,    // host:port of Kafka brokers, separated by commas
    url,        // shown without user and password
    secret,     // environment only, never shown
};

// Which commands take the option as a flag.
enum class Audience : uint8_t { server, client, both };

struct Option {
    std::string_view key;  // of the TOML file, "table.key" or "key"
    OptionKind kind;
    Audience audience;
    std::variant<std::string Config::*, uint64_t Config::*, bool Config::*> member;
    std::string_view what;  // one sentence; the reference page and --help print it
    uint64_t least = 0;     // of count and bytes
    uint64_t most = UINT64_MAX;
    std::string_view choices = {};  // separated by |
};

std::span<const Option> options();
std::string flag_of(const Option& option);         // "--http-workers"
std::string environment_of(const Option& option);  // "ROUNDHOUSE_HTTP_WORKERS"

// "***" in place of user and password, whatever characters the password has.
std::string without_login(std::string url);

enum class Origin : uint8_t { default_value, file, environment, flag };

struct Resolved {
    Config config;
    std::string file;  // the TOML file that was read; empty: none
    struct Value {
        const Option* option;
        std::string value;  // as it would be written, without what is secret: "(set)" or "***"
        Origin origin;
        std::string origin_name;  // "default", "file.toml", "ROUNDHOUSE_LISTEN", "--listen"
    };
    std::vector<Value> values;  // one an option, in the order of the table
};

struct Sources {
    std::map<std::string, std::string, std::less<>> flags;  // TOML key → text of the flag
    std::string file;  // --config; empty: ROUNDHOUSE_CONFIG, or none
    std::function<std::optional<std::string>(const std::string&)> environment;
};
// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

// Variables of this process that begin with ROUNDHOUSE_ and are none of ours, with the nearest one
// that is. They may be another's: Kubernetes makes ROUNDHOUSE_PORT and ROUNDHOUSE_SERVICE_… of a
// service's name.
struct UnknownVariable {
    std::string name, nearest;
};
std::vector<UnknownVariable> unknown_variables();

// Errors (invalid_request): unknown_setting (a TOML key that is none; names the nearest),
// bad_setting (a value that does not fit; names where it stands), bad_config_file;
// not_found file_not_found.
Result<Resolved> resolve(const Sources& sources);

// docs/reference/configuration.md, from the table.
std::string reference_page();

}  // namespace rh::app
