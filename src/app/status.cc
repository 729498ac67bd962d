#include "app/status.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/plural.h"
#include "io/file.h"
#include "model/reject.h"

namespace rh::app {
namespace {

api::HealthCheck check_ledger(const uploads::Ledger& ledger) {
    const auto version = ledger.current_version();
    return {"ledger", version.has_value(),
            version ? fmt::format("version {}", *version) : version.error().message};
}

api::HealthCheck check_disk(const std::string& directory, uint64_t free_bytes_min) {
    const auto free = io::free_bytes(directory);
    if (!free) {
        return {"disk", false, free.error().message};
    }
    return {"disk", *free >= free_bytes_min,
            fmt::format("{} bytes free; uploads are refused below {}", *free, free_bytes_min)};
}

api::HealthCheck check_sink(const Pipeline::Health& health) {
    if (health.last_store_error) {
        return {"sink", false,
                fmt::format("storing is tried again: {}", health.last_store_error->message)};
    }
    return {"sink", true, fmt::format("{} uploads wait to be stored", health.waiting_to_store)};
}

api::HealthCheck check_publisher(const Pipeline::Health& health) {
    if (health.last_publish_error) {
        return {"publisher", false,
                fmt::format("publishing is tried again: {}", health.last_publish_error->message)};
    }
    return {"publisher", true,
            fmt::format("{} uploads wait to be published", health.waiting_to_publish)};
}

api::HealthCheck check_clickhouse(const clickhouse::Store& store, const BringUp& bring_up) {
    const bool ready = bring_up.stage() == BringUp::Stage::ready;
    if (!ready && !store.is_cluster()) {
        return {"clickhouse", false, bring_up.reason()};
    }
    if (const auto answers = store.check(); !answers) {
        return {"clickhouse", false, answers.error().message};
    }
    return {"clickhouse", ready, bring_up.reason()};
}

void append_clickhouse_metrics(std::string& out, const clickhouse::Store& store) {
    constexpr std::string_view kUp = "roundhouse_clickhouse_up";
    const auto missing = store.missing();
    if (!store.is_cluster()) {
        append_metric(out, kUp, "gauge", "1 if the ClickHouse child answers.",
                      {{"", missing.empty() ? 1.0 : 0.0}});
        append_metric(out, "roundhouse_clickhouse_restarts_total", "counter",
                      "Times the ClickHouse child was started again.",
                      {{"", static_cast<double>(store.restarts())}});
        return;
    }
    std::vector<Sample> samples;
    for (size_t shard = 0; shard < store.shards(); ++shard) {
        const bool up = std::ranges::find(missing, shard) == missing.end();
        const std::string address = store.address(shard);
        samples.push_back(
            {fmt::format(R"(shard="{}",address="{}")", shard + 1, address), up ? 1.0 : 0.0});
    }
    append_metric(out, kUp, "gauge", "1 if the shard answers.", samples);
}

// Dead letters and losses are reported, but no reason to take the server out of service.
api::HealthCheck check_kafka(const sink::TopicConsumer& consumer, const BringUp& bring_up) {
    const BringUp::Stage stage = bring_up.stage();
    if (stage == BringUp::Stage::starting || stage == BringUp::Stage::migrating) {
        return {"kafka", false, "not asked before ClickHouse has its tables"};
    }
    if (stage == BringUp::Stage::connecting) {
        return {"kafka", false, bring_up.reason()};
    }
    const auto health = consumer.health();
    std::string detail = fmt::format("this is process {}, {} partitions are read, {} dead letters",
                                     consumer.node(), health.partitions, health.dead_letters);
    if (health.unknown_rows > 0) {
        detail += fmt::format(
            ", {} of {} that nobody published are in ClickHouse and count nowhere",
            counted(health.unknown_rows, "row"), counted(health.unknown_uploads, "upload"));
    }
    if (!health.retention_lost.empty()) {
        detail += fmt::format(", kafka_retention_lost ({} of the uploads still lack rows): {}",
                              health.lost_uploads, health.retention_lost);
    }
    if (health.last_error) {
        detail += fmt::format(", tried again: {}", health.last_error->message);
    }
    return {"kafka", !health.last_error, std::move(detail)};
}

// Uploads that differ are reported only. Lost ones take the figures away, but not the uploads: a
// server that got no requests any more could not take files either.
api::HealthCheck check_audit(const Auditor::Health& audit, const sink::LostUploads& lost) {
    const auto count = lost.count();
    if (!count) {
        return {"audit", false, count.error().message, false};
    }
    std::string detail = fmt::format(
        "{} audits made, {} uploads differ from their manifest, {} are lost in ClickHouse",
        audit.audits, audit.mismatched, *count);
    if (*count > 0) {
        detail += " (figures_incomplete: figures of versions that count them are not given)";
    }
    return {"audit", *count == 0, std::move(detail), false};
}

double as_value(uint64_t count) { return static_cast<double>(count); }
double seconds_of(int64_t ms) { return static_cast<double>(ms) / 1000; }

}  // namespace

std::vector<api::HealthCheck> Status::checks() const {
    const Pipeline::Health pipeline = context_.pipeline.health();
    std::vector<api::HealthCheck> checks = {
        {"server", !stopping_, stopping_ ? "it is stopping" : ""},
        check_clickhouse(context_.store, context_.bring_up),
        check_ledger(context_.ledger),
        check_disk(context_.layout.data_directory(), context_.free_disk_bytes_min),
        check_publisher(pipeline),
        check_sink(pipeline),
        check_audit(context_.auditor.health(), context_.lost),
    };
    if (context_.consumer != nullptr) {
        checks.push_back(check_kafka(*context_.consumer, context_.bring_up));
    }
    return checks;
}

void Status::append_kafka_metrics(std::string& out) const {
    if (context_.consumer == nullptr) {
        return;
    }
    const auto consumed = context_.consumer->health();
    append_metric(out, "roundhouse_kafka_partitions", "gauge",
                  "Partitions of the topic that are read by this process, or by ClickHouse itself.",
                  {{"", as_value(consumed.partitions)}});
    append_metric(out, "roundhouse_kafka_inserted_rows_total", "counter",
                  "Rows that this process brought from the topic into ClickHouse.",
                  {{"", as_value(consumed.rows_inserted)}});
    append_metric(out, "roundhouse_dead_letters", "gauge",
                  "Messages of the topic that are no rows, of all times.",
                  {{"", as_value(consumed.dead_letters)}});
    append_metric(out, "roundhouse_unknown_rows", "gauge",
                  "Rows that ClickHouse read from the topic itself and that no process published; "
                  "they count nowhere. (Read by roundhouse, such rows are dead letters.)",
                  {{"", as_value(consumed.unknown_rows)}});
    append_metric(out, "roundhouse_kafka_retention_losses_total", "counter",
                  "Times that the topic's retention dropped rows that were not stored.",
                  {{"", as_value(consumed.retention_losses)}});
    append_metric(out, "roundhouse_kafka_lost_uploads", "gauge",
                  "Uploads that lack those rows and are neither published again nor stored.",
                  {{"", as_value(consumed.lost_uploads)}});
    append_metric(out, "roundhouse_kafka_open_uploads", "gauge",
                  "Uploads of all processes that are published, in part or all, and not stored.",
                  {{"", as_value(consumed.open_uploads)}});
}

void Status::append_upload_metrics(std::string& out) const {
    if (const auto counts = context_.ledger.count_by_state()) {
        std::vector<Sample> samples;
        for (size_t i = 0; i < counts->size(); ++i) {
            const auto state = uploads::name(static_cast<uploads::State>(i));
            samples.push_back({fmt::format("state=\"{}\"", state), as_value((*counts)[i])});
        }
        append_metric(out, "roundhouse_uploads", "gauge", "Uploads in the ledger by state.",
                      samples);
    }
    if (const auto version = context_.ledger.current_version()) {
        append_metric(out, "roundhouse_version", "gauge",
                      "Version of the figures that readers see.", {{"", as_value(*version)}});
    }
    const auto pipeline = context_.pipeline.health();
    append_metric(out, "roundhouse_receives", "gauge", "Uploads being received now.",
                  {{"", static_cast<double>(context_.receiver.receiving())}});
    append_metric(out, "roundhouse_received_bytes_total", "counter", "Bytes of files as sent.",
                  {{"", as_value(context_.receiver.bytes_received())}});
    append_metric(out, "roundhouse_stored_rows_total", "counter",
                  "Rows of uploads that became stored.", {{"", as_value(pipeline.rows_stored)}});
    append_metric(out, "roundhouse_waiting_uploads", "gauge", "Uploads that wait for a stage.",
                  {{"stage=\"publish\"", as_value(pipeline.waiting_to_publish)},
                   {"stage=\"store\"", as_value(pipeline.waiting_to_store)}});
    append_metric(out, "roundhouse_publish_retries_total", "counter",
                  "Attempts to publish that were repeated.",
                  {{"", as_value(pipeline.publish_retries)}});
    append_metric(out, "roundhouse_store_retries_total", "counter",
                  "Attempts to store that were repeated.",
                  {{"", as_value(pipeline.store_retries)}});
}

// From the ledger, so that a restart changes neither.
void Status::append_lag_metrics(std::string& out) const {
    if (const auto oldest = context_.ledger.oldest_created_at(uploads::State::storing)) {
        const int64_t age_ms = *oldest ? now_ms() - **oldest : 0;
        append_metric(out, "roundhouse_oldest_waiting_upload_seconds", "gauge",
                      "Time since the oldest upload that is published and not yet stored was "
                      "received; 0 if there is none.",
                      {{"", seconds_of(std::max<int64_t>(age_ms, 0))}});
    }
    if (const auto stored = context_.ledger.last_stored_at()) {
        append_metric(out, "roundhouse_last_stored_timestamp_seconds", "gauge",
                      "When the upload of the newest stored version became stored, in seconds "
                      "since 1970 UTC; 0 if nothing was ever stored.",
                      {{"", seconds_of(stored->value_or(0))}});
    }
}

void Status::append_reject_metrics(std::string& out) const {
    const auto& publisher = context_.publisher;
    append_metric(out, "roundhouse_validated_rows_total", "counter", "Rows judged.",
                  {{"", as_value(publisher.rows_validated())}});
    append_metric(out, "roundhouse_rejected_rows_total", "counter",
                  "Rows refused in files that this process judged to their end, dry runs and "
                  "refused files included.",
                  {{"", as_value(publisher.rows_rejected())}});
    std::vector<Sample> samples;
    for (size_t i = 0; i < model::kRejectCodeNames.size(); ++i) {
        samples.push_back({fmt::format("code=\"{}\"", model::kRejectCodeNames[i]),
                           as_value(publisher.faults(static_cast<model::RejectCode>(i)))});
    }
    append_metric(out, "roundhouse_rejects_total", "counter",
                  "Faults by code in files that this process judged to their end, dry runs and "
                  "refused files included; a refused row has one or more.",
                  samples);
}

std::string Status::metrics() const {
    std::string out;
    append_metric(out, "roundhouse_info", "gauge", "The program.",
                  {{"version=\"" RH_VERSION "\"", 1.0}});
    append_upload_metrics(out);
    append_lag_metrics(out);
    append_reject_metrics(out);
    context_.pipeline.stages().append_to(out);
    append_clickhouse_metrics(out, context_.store);
    append_kafka_metrics(out);
    const auto audit = context_.auditor.health();
    append_metric(out, "roundhouse_audits_total", "counter", "Background audits of stored uploads.",
                  {{"", as_value(audit.audits)}});
    append_metric(out, "roundhouse_audit_mismatched_uploads", "gauge",
                  "Stored uploads whose rows are not what their manifest says.",
                  {{"", as_value(audit.mismatched)}});
    if (const auto lost = context_.lost.count()) {
        append_metric(out, "roundhouse_missing_uploads", "gauge",
                      "Stored uploads that count and that ClickHouse has lost.",
                      {{"", as_value(*lost)}});
    }
    if (const auto free = io::free_bytes(context_.layout.data_directory())) {
        append_metric(out, "roundhouse_disk_free_bytes", "gauge",
                      "Free space of the data directory.", {{"", as_value(*free)}});
    }
    context_.requests.append_to(out);
    return out;
}

}  // namespace rh::app
