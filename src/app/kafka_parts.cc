#include "app/kafka_parts.h"

#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "io/file.h"
#include "kafka/properties.h"

namespace rh::app {
namespace {

// The name of this process in the control topic; the same over restarts, so that it goes on with
// its own uploads at once.
Result<std::string> node_name(const std::string& data) {
    const std::string path = data + "/node";
    if (io::exists(path)) {
        return io::read_file(path);
    }
    const std::string name = random_hex(4);
    RH_TRY(io::write_file_durably(path, name));
    return name;
}

Result<kafka::Cluster> cluster_of(const Config& config) {
    kafka::Cluster cluster{
        .brokers = config.kafka_brokers, .settings = {}, .library = config.kafka_library};
    if (config.kafka_properties_file.empty()) {
        return cluster;
    }
    RH_ASSIGN(const std::string text, io::read_file(config.kafka_properties_file));
    auto settings = kafka::parse_properties(text);
    if (!settings) {
        Error error = std::move(settings).error();
        error.message = fmt::format("{}: {}", config.kafka_properties_file, error.message);
        return std::unexpected(std::move(error));
    }
    cluster.settings = std::move(*settings);
    return cluster;
}

}  // namespace

bool KafkaParts::was_used(const std::string& data) { return io::exists(data + "/node"); }

KafkaParts::KafkaParts(const Config& config, kafka_log::KafkaLogOptions options,
                       log::EmbeddedLog& staged, const clickhouse::Store& store,
                       uploads::Ledger& ledger)
    : control_(options.cluster, config.kafka_control_topic),
      log_(staged, control_, std::move(options)),
      versions_(store, ledger, control_),
      group_(sink::GroupSinkContext{.store = store,
                                    .control = control_,
                                    .log = log_,
                                    .group = config.kafka_group,
                                    .tend = [this] { return versions_.tend(); }}) {}

Result<std::unique_ptr<KafkaParts>> KafkaParts::open(const Config& config, const std::string& data,
                                                     log::EmbeddedLog& staged,
                                                     const clickhouse::Store& store,
                                                     uploads::Ledger& ledger) {
    if (config.kafka_brokers.empty() || config.registry_url.empty()) {
        return fail(ErrorKind::invalid_request, "bad_setting",
                    "--log=kafka needs --kafka-brokers HOST:PORT,… and --registry-url URL.");
    }
    if (config.kafka_topic == config.kafka_control_topic) {
        return fail(ErrorKind::invalid_request, "bad_setting",
                    "kafka.topic and kafka.control_topic must be two topics.");
    }
    RH_TRY(kafka::Registry::open(config.registry_url, config.tls_ca_file));
    kafka_log::KafkaLogOptions options;
    RH_ASSIGN(options.cluster, cluster_of(config));
    RH_ASSIGN(options.node, node_name(data));
    options.registry_url = config.registry_url;
    options.tls_ca_file = config.tls_ca_file;
    options.topic = config.kafka_topic;
    options.partitions = static_cast<int32_t>(config.kafka_partitions);
    return std::unique_ptr<KafkaParts>(
        new KafkaParts(config, std::move(options), staged, store, ledger));
}

Result<bool> KafkaParts::has_taken(const model::UploadId& id) {
    const auto published = control_.published(id);
    if (!published || published->state != kafka_log::Published::State::complete) {
        return false;
    }
    return group_.has_taken(*published);
}

bool KafkaParts::is_foreign(const model::UploadId& id) const {
    const auto published = control_.published(id);
    return !published || published->state != kafka_log::Published::State::abandoned;
}

}  // namespace rh::app
