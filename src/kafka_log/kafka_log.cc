#include "kafka_log/kafka_log.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "avro/game_round_codec.h"
#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "kafka_log/range_reader.h"
#include "kafka_log/row_sender.h"

namespace rh::kafka_log {
namespace {

constexpr int64_t kFollowMs = 500;

bool is_published(const std::optional<Published>& published, uint32_t epoch) {
    return published && published->state == Published::State::complete && published->epoch >= epoch;
}

// Another process that publishes the same upload, so that this one waits and follows.
class Rival {
  public:
    explicit Rival(const std::string& we) : we_(we) {}

    void has_fenced_us() { speaks_until_ = monotonic_ms() + kFirstRecordMs; }

    bool is_at_work(const std::optional<Published>& published, uint32_t epoch) {
        const int64_t now = monotonic_ms();
        if (!published || published->state != Published::State::begun || published->epoch < epoch) {
            return now < speaks_until_;
        }
        const std::string place = fmt::format("{}/{}", published->publisher, published->last_row);
        if (place != place_) {
            place_ = place;
            moved_at_ = now;
        }
        return published->publisher != we_ && now - moved_at_ < kTakeOverMs;
    }

  private:
    const std::string& we_;
    int64_t speaks_until_ = INT64_MIN;
    std::string place_;
    int64_t moved_at_ = 0;
};

}  // namespace

Result<void> KafkaLog::connect() {
    const std::scoped_lock lock(connecting_);
    if (schema_id_ >= 0) {
        return {};
    }
    RH_TRY(control_.connect());
    RH_ASSIGN(const auto admin, kafka::Admin::create(options_.cluster));
    RH_TRY(admin->ensure_topic(options_.topic, options_.partitions));
    RH_ASSIGN(const auto registry,
              kafka::Registry::open(options_.registry_url, options_.tls_ca_file));
    RH_ASSIGN(const int32_t id,
              registry.ensure(options_.topic + "-value", avro::game_round_schema()));
    schema_id_ = id;
    return {};
}

Result<std::unique_ptr<log::Writer>> KafkaLog::begin(const model::UploadId& id, uint32_t epoch) {
    return staged_.begin(id, epoch);
}

Result<void> KafkaLog::publish(const model::UploadId& id, const OnProgress& on_progress) {
    RH_TRY(connect());
    // Whole and hashed, in a place of its own: from here on it is only read.
    uint32_t epoch = 0;
    if (const auto renamed = staged_.publish(id); renamed) {
        RH_ASSIGN(const auto manifest, staged_.manifest(id));
        epoch = manifest.epoch;
    } else if (renamed.error().code != "log_not_sealed" ||
               !is_published(control_.published(id), epoch)) {
        return renamed;
    }
    Rival rival(options_.node);
    while (!is_published(control_.published(id), epoch)) {
        const uint64_t change = control_.changes();
        const auto published = control_.published(id);
        if (rival.is_at_work(published, epoch)) {
            RH_TRY(on_progress(published ? published->totals.rows : 0));
            control_.wait_for_change(change, kFollowMs);
            continue;
        }
        const auto sent = send_rows(id, epoch, on_progress);
        if (!sent && sent.error().code != "kafka_fenced") {
            return sent;
        }
        rival.has_fenced_us();
        RH_TRY(control_.catch_up());
    }
    kill_point("kafka_before_unstage");
    return staged_.remove(id);
}

Result<void> KafkaLog::send_rows(const model::UploadId& id, uint32_t epoch,
                                 const OnProgress& on_progress) {
    RH_ASSIGN(auto producer, kafka::Producer::create(options_.cluster, transactional_id(id)));
    uint64_t rows_sent = 0;
    producer->set_on_wait([&] { return on_progress(rows_sent); });
    RH_TRY(producer->init_transactions());
    // From here on nobody else can commit rows of this upload, so what is read now is the last
    // word.
    RH_TRY(control_.catch_up());
    Published published;
    const auto committed = control_.published(id);
    if (committed && committed->epoch >= epoch && committed->state != Published::State::abandoned) {
        published = *committed;
    } else {
        RH_ASSIGN(const auto admin, kafka::Admin::create(options_.cluster));
        RH_ASSIGN(const int32_t partitions, admin->partition_count(options_.topic));
        published.upload_id = id;
        published.epoch = std::max(epoch, committed ? committed->epoch : 0);
        published.partitions.resize(static_cast<size_t>(partitions));
    }
    if (published.state == Published::State::complete) {
        return {};
    }
    published.publisher = options_.node;
    RH_ASSIGN(const auto reader,
              staged_.read(id, published.last_row == 0 ? 0 : model::cell_of(published.last_row)));
    RowSender sender(std::move(producer), options_.topic, control_.topic(), schema_id_,
                     std::move(published));
    model::RowBatch batch;
    while (true) {
        RH_ASSIGN(const bool more, reader->next(batch));
        if (!more) {
            break;
        }
        rows_sent = sender.published().totals.rows;
        RH_TRY(on_progress(rows_sent));
        RH_TRY(sender.send(batch));
    }
    return sender.finish(Published::State::complete);
}

// Says `state` of rows that this process owns from then on, unless it is too late for that.
Result<void> KafkaLog::declare(const model::UploadId& id, Published::State state) {
    RH_ASSIGN(auto producer, kafka::Producer::create(options_.cluster, transactional_id(id)));
    RH_TRY(producer->init_transactions());
    RH_TRY(control_.catch_up());
    auto published = control_.published(id);
    const bool is_open =
        published && published->state != Published::State::abandoned && !control_.stored(id);
    const bool is_whole = is_open && published->state == Published::State::complete;
    if (!is_open || (state == Published::State::complete && !is_whole)) {
        return {};
    }
    published->publisher = options_.node;
    RowSender sender(std::move(producer), options_.topic, control_.topic(), schema_id_,
                     std::move(*published));
    return sender.finish(state);
}

bool KafkaLog::is_ours(const model::UploadId& id) const {
    const auto published = control_.published(id);
    return !published || published->state == Published::State::abandoned ||
           published->publisher == options_.node;
}

Result<void> KafkaLog::take_over(const model::UploadId& id) {
    return declare(id, Published::State::complete);
}

Result<log::Manifest> KafkaLog::manifest(const model::UploadId& id) const {
    const auto published = control_.published(id);
    if (published && published->state == Published::State::complete) {
        return manifest_of(*published);
    }
    return staged_.manifest(id);
}

Result<std::unique_ptr<log::RowReader>> KafkaLog::read(const model::UploadId& id, uint64_t) const {
    const auto published = control_.published(id);
    if (!published || published->state != Published::State::complete) {
        return fail(ErrorKind::not_found, "log_not_published",
                    fmt::format("Topic {} has no manifest of the upload {}.", options_.topic,
                                model::to_string(id)));
    }
    return open_range_reader(options_.cluster, options_.topic, *published);
}

Result<void> KafkaLog::remove(const model::UploadId& id) {
    RH_TRY(staged_.remove(id));
    const auto published = control_.published(id);
    if (!published || published->state == Published::State::abandoned || !is_ours(id) ||
        control_.stored(id)) {
        return {};
    }
    return declare(id, Published::State::abandoned);
}

Result<void> KafkaLog::drop_damaged(const model::UploadId& id) { return staged_.remove(id); }

Result<std::vector<model::UploadId>> KafkaLog::uploads() const { return staged_.uploads(); }

std::string KafkaLog::transactional_id(const model::UploadId& id) const {
    return fmt::format("roundhouse-{}-{}", options_.topic, model::to_string(id));
}

}  // namespace rh::kafka_log
