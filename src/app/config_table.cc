// The table of settings. An option stands here only if something uses it.
#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "app/config.h"

namespace rh::app {
namespace {

using enum OptionKind;
using enum Audience;

constexpr uint64_t kTiB = 1ULL << 40;

constexpr std::array kOptions = {
    Option{"data", directory, server, &Config::data,
           "Directory that holds everything the server keeps: ledger, originals, log, ClickHouse."},
    Option{"listen", address, server, &Config::listen,
           "Address and port to listen on; port 0 takes a free one. Without API keys only loopback "
           "addresses are allowed."},
    Option{"drain_s", count, server, &Config::drain_s,
           "Seconds that running requests get to end after SIGTERM.", 0, 600},
    Option{"keys.first_file", text, server, &Config::keys_first_file,
           "File for the first API key, of scope admin, which the server then makes at a start "
           "without any key; empty: it makes none. It is for containers, which must listen on "
           "other than loopback."},

    Option{"logging.level", choice, server, &Config::log_level, "Least level that is logged.", 0, 0,
           "debug|info|warning|error"},
    Option{"logging.format", choice, server, &Config::log_format,
           "Form of a log line; auto is text on a terminal and JSON otherwise.", 0, 0,
           "auto|text|json"},

    Option{"http.workers", count, server, &Config::http_workers,
           "Requests that are worked on at once; more of them wait.", 1, 1024},
    Option{"http.connections_max", count, server, &Config::http_connections_max,
           "Connections open at once.", 1, 1'000'000},
    Option{"http.head_bytes_max", bytes, server, &Config::http_head_bytes_max,
           "Size of a request's head.", 1024, 1 << 20},
    Option{"http.target_bytes_max", bytes, server, &Config::http_target_bytes_max,
           "Length of a request's target (path and query).", 256, 1 << 20},
    Option{"http.head_timeout_s", count, server, &Config::http_head_timeout_s,
           "Seconds from the first byte of a request's head to its last.", 1, 3600},
    Option{"http.idle_timeout_s", count, server, &Config::http_idle_timeout_s,
           "Seconds a connection may stay open between requests.", 1, 3600},
    Option{"http.read_timeout_s", count, server, &Config::http_read_timeout_s,
           "Seconds without any byte of a request's body.", 1, 3600},
    Option{"http.write_timeout_s", count, server, &Config::http_write_timeout_s,
           "Seconds without any byte of an answer taken by the client.", 1, 3600},
    Option{"http.cors_origins", origins, server, &Config::http_cors_origins,
           "Origins whose web pages may call the API from a browser; empty: none."},

    Option{"upload.body_bytes_max", bytes, server, &Config::upload_body_bytes_max,
           "Size of a request's body as it is sent.", 1024, 64 * kTiB},
    Option{"upload.unpacked_bytes_max", bytes, server, &Config::upload_unpacked_bytes_max,
           "Size of an uploaded file, unpacked.", 1024, 64 * kTiB},
    Option{"upload.decompression_ratio_max", count, server, &Config::upload_decompression_ratio_max,
           "Unpacked bytes for each byte sent, in compressed uploads and statements.", 1,
           1'000'000},
    Option{"upload.simultaneous_max", count, server, &Config::upload_simultaneous_max,
           "Uploads received at once; one more is answered with 429.", 1, 10'000},
    Option{"upload.free_disk_bytes_min", bytes, server, &Config::upload_free_disk_bytes_min,
           "Free disk space that uploads and statements must leave.", 0, 64 * kTiB},

    Option{"avro.deflate", boolean, server, &Config::avro_deflate,
           "Compress the log's Avro files with deflate."},

    Option{"log", choice, server, &Config::log,
           "Where accepted rows are published: in Avro files below data, or in Kafka.", 0, 0,
           "embedded|kafka"},
    Option{"kafka.brokers", brokers, server, &Config::kafka_brokers,
           "Brokers of Kafka to begin with."},
    Option{"kafka.topic", topic, server, &Config::kafka_topic,
           "Topic of the rows. Its dead letters go to the topic of that name with -dead-letters."},
    Option{"kafka.control_topic", topic, server, &Config::kafka_control_topic,
           "Topic in which processes tell each other what is published and stored. Installations "
           "that share brokers need a topic, a control topic and a group each."},
    Option{"kafka.partitions", count, server, &Config::kafka_partitions,
           "Partitions of the topic, if it does not exist and is created.", 1, 10'000},
    Option{
        "kafka.replication", count, server, &Config::kafka_replication,
        "Copies of each partition of topics that are created; min.insync.replicas is one less. 0: "
        "three, or as many as there are brokers.",
        0, 100},
    Option{"kafka.group", text, server, &Config::kafka_group,
           "Consumer group that brings rows into ClickHouse; all processes of a cluster share it."},
    Option{"kafka.properties_file", text, server, &Config::kafka_properties_file,
           "File of librdkafka's settings, one name=value a line: SASL, TLS and the like."},
    Option{"librdkafka", text, server, &Config::kafka_library,
           "Path of librdkafka.so.1 (2.4.0 or newer); empty: beside the program or in ../lib."},
    Option{
        "registry.url", url, server, &Config::registry_url,
        "The schema registry, of Confluent's API: http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]."},

    Option{"store", shards, server, &Config::store,
           "Where rows are kept: in the ClickHouse that the server starts itself, or in those at "
           "the URLs, one a shard, http[s]://USER:PASSWORD@HOST:PORT. They are not taken from one "
           "list to another: partition p of the log lies on shard p modulo their number."},
    Option{"consumer", choice, server, &Config::consumer,
           "Who brings rows from Kafka into the servers of store: roundhouse, or those themselves "
           "by Kafka engine tables. The tables are made for one of the two.",
           0, 0, "roundhouse|clickhouse"},
    Option{"clickhouse.cluster", cluster, server, &Config::clickhouse_cluster,
           "Name of the cluster in remote_servers of the ClickHouse servers of store, with the "
           "same shards in the same order."},
    Option{
        "clickhouse.engines", choice, server, &Config::clickhouse_engines,
        "Engines of the tables on the servers of store: plain ones, or Replicated ones, for which "
        "the servers need the macros shard and replica and a Keeper. The tables are made with "
        "one of the two.",
        0, 0, "plain|replicated"},
    Option{"clickhouse.password", secret, server, &Config::clickhouse_password,
           "Password for URLs of store that have a user but none."},
    Option{"tls.ca_file", text, both, &Config::tls_ca_file,
           "CA certificates (PEM) that must have signed those of https servers: the registry and "
           "the ClickHouse of store, and the server that client commands talk to. Kafka's stand in "
           "kafka.properties_file."},
    Option{"libchdb", text, server, &Config::clickhouse_libchdb,
           "Path of libchdb.so; empty: beside the program or in ../lib."},
    Option{"clickhouse.memory_bytes_max", bytes, server, &Config::clickhouse_memory_bytes_max,
           "Memory of the ClickHouse server; 0: a share of the machine's.", 0, 64 * kTiB},
    Option{"clickhouse.hung_after_s", count, server, &Config::clickhouse_hung_after_s,
           "Seconds after which a ClickHouse server that runs and answers nothing is killed and "
           "started again; 0: never. Of the child only.",
           0, 86'400},
    Option{"clickhouse.http_port", count, server, &Config::clickhouse_http_port,
           "Loopback port of ClickHouse's HTTP interface; 0: a free one.", 0, 65535},
    Option{"clickhouse.tcp_port", count, server, &Config::clickhouse_tcp_port,
           "Loopback port of ClickHouse's native interface; 0: a free one.", 0, 65535},

    Option{"reconcile.simultaneous_max", count, server, &Config::reconcile_simultaneous_max,
           "Reconciliations that run at once; more of them wait.", 1, 64},

    Option{"audit.interval_s", count, server, &Config::audit_interval_s,
           "Seconds between two background audits of stored uploads; 0: none.", 0, 86'400},

    Option{"server", url, client, &Config::server,
           "URL of the server that client commands talk to."},
    Option{"api_key", secret, client, &Config::api_key, "API key that client commands send."},
    Option{"key_file", text, client, &Config::key_file, "File whose first line is the API key."},
};

std::string default_of(const Option& option) {
    const Config config;
    if (option.kind == secret) {
        return "";
    }
    if (const auto* member = std::get_if<std::string Config::*>(&option.member)) {
        return config.**member;
    }
    if (const auto* member = std::get_if<uint64_t Config::*>(&option.member)) {
        return std::to_string(config.**member);
    }
    return config.*std::get<bool Config::*>(option.member) ? "true" : "false";
}

std::string values_of(const Option& option) {
    switch (option.kind) {
        case text:
            return "text";
        case directory:
            return "a directory";
        case choice: {
            std::string words(option.choices);
            for (size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2) {
                words.replace(at, 1, ", ");
            }
            return words;
        }
        case boolean:
            return "true, false";
        case count:
            return fmt::format("{} to {}", option.least, option.most);
        case bytes:
            return fmt::format("{} to {} bytes, or with KiB, MiB, GiB, TiB", option.least,
                               option.most);
        case address:
            return "host:port";
        case brokers:
            return "host:port, separated by commas";
        case cluster:
        case topic:
            return "letters, digits, _, - and .";
        case shards:
            return "embedded, or http[s]://…, separated by commas";
        case url:
            return "http[s]://…";
        case origins:
            return "scheme://host:port, separated by commas";
        case secret:
            return "text";
    }
    return "";
}

}  // namespace

std::span<const Option> options() { return kOptions; }

std::string flag_of(const Option& option) {
    std::string flag = fmt::format("--{}", option.key);
    std::ranges::replace(flag, '.', '-');
    std::ranges::replace(flag, '_', '-');
    return flag;
}

std::string environment_of(const Option& option) {
    std::string name = fmt::format("ROUNDHOUSE_{}", option.key);
    for (char& c : name) {
        c = c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    }
    return name;
}

std::string reference_page() {
    std::string page =
        "# Configuration\n\n"
        "The strongest source of a setting wins: flag, then environment, then the TOML file named\n"
        "by `--config` or `ROUNDHOUSE_CONFIG`, then the default. `roundhouse config show` prints\n"
        "each value and where it comes from. An unknown key of the TOML file is an error. A key\n"
        "with a dot is `[table]` and `key` in the TOML file.\n\n"
        "This page is made by `roundhouse config reference`.\n\n"
        "| TOML key | flag | environment | default | values | meaning |\n"
        "|---|---|---|---|---|---|\n";
    for (const Option& option : kOptions) {
        const std::string standard = default_of(option);
        const bool is_secret = option.kind == secret;
        page += fmt::format(
            "| {} | {} | `{}` | {} | {} | {} |\n", is_secret ? "" : fmt::format("`{}`", option.key),
            is_secret ? "" : fmt::format("`{}`", flag_of(option)), environment_of(option),
            standard.empty() ? "" : fmt::format("`{}`", standard), values_of(option), option.what);
    }
    return page;
}

}  // namespace rh::app
