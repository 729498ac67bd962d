#include "app/kafka_parts.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "io/file.h"
#include "kafka/properties.h"
#include "sink/dead_letters.h"
#include "sink/engine_consumer.h"
#include "sink/group_sink.h"
#include "uploads/portable.h"

namespace rh::app {
namespace {

constexpr int64_t kEndedMs = 10'000;  // between two looks for uploads that ended

// The name of this process in the control topic: the machine's, for people, and something that no
// other has. The same over restarts, so that it goes on with its own uploads at once.
Result<std::string> node_name(const std::string& data) {
    const std::string path = data + "/node";
    if (io::exists(path)) {
        return io::read_file(path);
    }
    std::array<char, 65> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') {
        host = {"roundhouse"};
    }
    std::string name = fmt::format("{}-{}", host.data(), random_hex(1));
    RH_TRY(io::write_file_durably(path, name));
    return name;
}

bool others_may_read(const std::string& path) {
    using std::filesystem::perms;
    std::error_code error;
    const auto found = std::filesystem::status(path, error);
    return !error && (found.permissions() & perms::others_read) != perms::none;
}

Result<kafka::Cluster> cluster_of(const Config& config) {
    kafka::Cluster cluster{.brokers = config.kafka_brokers,
                           .settings = {},
                           .library = config.kafka_library,
                           .replication = static_cast<int32_t>(config.kafka_replication),
                           .stop = {}};
    if (config.kafka_properties_file.empty()) {
        return cluster;
    }
    auto read = io::read_file(config.kafka_properties_file);
    if (!read) {
        Error error = std::move(read).error();
        error.message = fmt::format("kafka.properties_file: {}", error.message);
        return std::unexpected(std::move(error));
    }
    const std::string text = *std::move(read);
    if (others_may_read(config.kafka_properties_file)) {
        log_event(
            LogLevel::warning,
            "everybody on this machine may read kafka.properties_file; give it mode 0600 if it "
            "has passwords",
            {{"file", config.kafka_properties_file}});
    }
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

Result<void> KafkaParts::forget(const std::string& data) { return io::remove_file(data + "/node"); }

KafkaParts::KafkaParts(const Config& config, kafka_log::KafkaLogOptions options,
                       std::stop_source stopping, log::EmbeddedLog& staged,
                       const clickhouse::Store& store, uploads::Ledger& ledger,
                       const uploads::Layout& layout)
    : ledger_(ledger),
      layout_(layout),
      stopping_(std::move(stopping)),
      control_(options.cluster, config.kafka_control_topic),
      log_(staged, control_, std::move(options)),
      versions_(store, ledger, control_, log_.options().node),
      announcer_(ledger, control_, log_.options().node) {
    const auto tend = [this] { return this->tend(); };
    if (store.consumes()) {
        consumer_ = std::make_unique<sink::EngineConsumer>(
            sink::EngineConsumerContext{.store = store,
                                        .control = control_,
                                        .cluster = log_.options().cluster,
                                        .topic = log_.options().topic,
                                        .group = config.kafka_group,
                                        .node = log_.options().node,
                                        .tend = tend});
    } else {
        consumer_ =
            std::make_unique<sink::GroupSink>(sink::GroupSinkContext{.store = store,
                                                                     .control = control_,
                                                                     .log = log_,
                                                                     .group = config.kafka_group,
                                                                     .tend = tend});
    }
}

Result<std::unique_ptr<KafkaParts>> KafkaParts::open(const Config& config, const std::string& data,
                                                     log::EmbeddedLog& staged,
                                                     const clickhouse::Store& store,
                                                     uploads::Ledger& ledger,
                                                     const uploads::Layout& layout) {
    if (config.kafka_brokers.empty() || config.registry_url.empty()) {
        return fail(ErrorKind::invalid_request, "bad_setting",
                    "--log=kafka needs --kafka-brokers HOST:PORT,… and --registry-url URL.");
    }
    if (config.kafka_topic == config.kafka_control_topic) {
        return fail(ErrorKind::invalid_request, "bad_setting",
                    "kafka.topic and kafka.control_topic must be two topics.");
    }
    if (config.kafka_control_topic == sink::dead_letter_topic(config.kafka_topic)) {
        return fail(
            ErrorKind::invalid_request, "bad_setting",
            fmt::format("kafka.control_topic must not be {}, the topic of kafka.topic's dead "
                        "letters.",
                        config.kafka_control_topic));
    }
    if (config.kafka_group.empty()) {
        return fail(ErrorKind::invalid_request, "bad_setting", "kafka.group must not be empty.");
    }
    RH_TRY(kafka::Registry::open(config.registry_url, config.tls_ca_file));
    kafka_log::KafkaLogOptions options;
    RH_ASSIGN(options.cluster, cluster_of(config));
    std::stop_source stopping;
    options.cluster.stop = stopping.get_token();
    RH_ASSIGN(options.node, node_name(data));
    options.registry_url = config.registry_url;
    options.tls_ca_file = config.tls_ca_file;
    options.topic = config.kafka_topic;
    options.partitions = static_cast<int32_t>(config.kafka_partitions);
    return std::unique_ptr<KafkaParts>(new KafkaParts(
        config, std::move(options), std::move(stopping), staged, store, ledger, layout));
}

Result<void> KafkaParts::tend() {
    const auto announced = announcer_.tend();
    const auto settled = versions_.tend();  // may wait for a shard, and the others not for it
    const auto abandoned = abandon_ended();
    RH_TRY(announced);
    RH_TRY(settled);
    return abandoned;
}

Result<bool> KafkaParts::has_ended(const model::UploadId& id) const {
    RH_ASSIGN(const auto upload, ledger_.find(id));
    return upload && uploads::may_start_again(upload->state);
}

// Of uploads that ended here, rows in the topic that could not be declared void when they ended:
// the brokers were away, or the process was killed. One that has just ended is left to whoever
// ended it. One at a time, since each of them costs several answers of the brokers, and what the
// processes tell each other waits.
Result<void> KafkaParts::abandon_ended() {
    const bool first = !looked_for_ended_at_;
    const int64_t now = monotonic_ms();
    if (!first && now - *looked_for_ended_at_ < kEndedMs) {
        return {};
    }
    looked_for_ended_at_ = now;
    const auto seen = std::exchange(ended_, {});
    std::vector<model::UploadId> due;  // in their order
    for (const kafka_log::Published& published : control_.open_uploads()) {
        const model::UploadId& id = published.upload_id;
        if (published.publisher != log_.options().node) {
            continue;
        }
        RH_ASSIGN(const bool ended, has_ended(id));
        if (!ended) {
            continue;
        }
        ended_.insert(id);
        if (first || seen.contains(id)) {
            due.push_back(id);
        }
    }
    if (due.empty()) {
        return {};
    }
    const auto next = std::ranges::upper_bound(due, tried_);  // those that fail take turns
    tried_ = next == due.end() ? due.front() : *next;
    const auto held = layout_.lock(tried_);  // so that the same file sent again begins after this
    RH_ASSIGN(const bool still, has_ended(tried_));
    if (const auto removed = still ? log_.remove(tried_) : Result<void>(); !removed) {
        log_event(LogLevel::warning, "rows of an upload that ended are not declared void yet",
                  {{"upload_id", model::to_string(tried_)},
                   {"code", removed.error().code},
                   {"detail", removed.error().message}});
    }
    return {};
}

Result<bool> KafkaParts::have_taken(const model::UploadId& id) {
    const auto published = control_.published(id);
    if (published && published->state == kafka_log::Published::State::abandoned) {
        return fail(ErrorKind::not_found, "log_not_published",
                    "Another process that had the same file has cancelled it.");
    }
    if (!published || published->state != kafka_log::Published::State::complete) {
        return false;
    }
    return consumer_->has_taken(*published);
}

// Only those who were sent the same file would take it over.
Result<void> KafkaParts::say_at_work(const model::UploadId& id) {
    return find_elsewhere(id) ? log_.say_at_work(id) : Result<void>();
}

// The brokers are asked only if somebody else has the same file, since the answer may take as long
// as the transactions of others.
Result<bool> KafkaParts::has_owned(const model::UploadId& id, uint64_t tenure) {
    if (find_elsewhere(id)) {
        RH_TRY(control_.catch_up());
    }
    return log_.owns(id) && control_.tenure(id) == tenure;
}

// Of several that were sent the same file, one that still works on it. What this process said
// itself may be older than its ledger.
std::optional<uploads::Upload> KafkaParts::find_elsewhere(const model::UploadId& id) const {
    std::optional<uploads::Upload> found;
    for (const kafka_log::Received& said : control_.received(id)) {
        auto upload = said.receiver == log_.options().node ? std::nullopt
                                                           : uploads::parse_portable(said.upload);
        if (upload && (!found || !uploads::is_final(upload->state))) {
            found = std::move(upload);
            found->held_by = said.receiver;
        }
    }
    return found;
}

Result<bool> KafkaParts::is_foreign(const model::UploadId& id) {
    RH_TRY(control_.catch_up());
    const auto published = control_.published(id);
    const auto elsewhere = find_elsewhere(id);
    return !published || published->state != kafka_log::Published::State::abandoned ||
           (elsewhere && !uploads::is_final(elsewhere->state));
}

}  // namespace rh::app
