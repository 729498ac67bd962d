#include "kafka_log/kafka_log.h"

#include <algorithm>
#include <tuple>
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

void tell_progress(RowSender& sender, const log::Log::OnProgress& on_progress) {
    sender.set_on_wait([&] { return on_progress(sender.rows_committed()); });
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
    if (admin_ == nullptr) {
        RH_ASSIGN(admin_, kafka::Admin::create(options_.cluster));
    }
    RH_TRY(admin_->ensure_topic(options_.topic, options_.partitions));
    RH_ASSIGN(const auto registry,
              kafka::Registry::open(options_.registry_url, options_.tls_ca_file));
    RH_ASSIGN(const int32_t id,
              registry.ensure(options_.topic + "-value", avro::game_round_schema()));
    schema_id_ = id;
    return {};
}

// Sends rows as they come, and keeps none of them: after an Error they are judged again.
class DirectWriter final : public log::Writer {
  public:
    DirectWriter(KafkaLog& log, const model::UploadId& id, std::unique_ptr<RowSender> sender)
        : log_(log), id_(id), sender_(std::move(sender)) {}

    Result<void> append(const model::RowBatch& batch) override {
        totals_.add(batch);
        return noted(sender_->send(batch));
    }

    Result<log::Manifest> seal() override {
        RH_TRY(noted(sender_->drain()));
        log::Manifest manifest;
        manifest.upload_id = id_;
        manifest.epoch = sender_->published().epoch;
        manifest.totals = totals_;
        log_.keep_sent(id_, std::move(sender_));
        return manifest;
    }

  private:
    Result<void> noted(Result<void> sent) {
        if (!sent) {
            log_.keep_failure(id_, sent.error());
        }
        return sent;
    }

    KafkaLog& log_;
    const model::UploadId id_;
    std::unique_ptr<RowSender> sender_;
    model::Totals totals_;
};

Result<std::unique_ptr<log::Writer>> KafkaLog::begin(const model::UploadId& id, uint32_t epoch,
                                                     const KeepGoing& keep_going) {
    std::ignore = take_sent(id);
    if (keep_going && may_send_directly(id)) {
        auto sender = open_sender(id, epoch, keep_going);
        if (sender && *sender != nullptr) {
            RH_TRY(staged_.remove(id));
            return std::make_unique<DirectWriter>(*this, id, std::move(*sender));
        }
        log_event(LogLevel::info, "rows are sent when all of them are judged",
                  {{"upload_id", model::to_string(id)},
                   {"reason", sender ? "all of them are there already" : sender.error().message}});
    }
    return staged_.begin(id, epoch, keep_going);
}

// Not while the brokers have never answered, nor what another process publishes. Nor what was given
// up or failed once: a file that fails again and again would leave its rows each time.
bool KafkaLog::may_send_directly(const model::UploadId& id) const {
    const auto published = control_.published(id);
    const std::scoped_lock lock(sent_mutex_);
    return schema_id_ >= 0 && !failures_.contains(id) &&
           (!published || (published->state == Published::State::begun && is_ours(id)));
}

void KafkaLog::keep_sent(const model::UploadId& id, std::unique_ptr<RowSender> sender) {
    const std::scoped_lock lock(sent_mutex_);
    sent_whole_.insert_or_assign(id, std::move(sender));
}

std::unique_ptr<RowSender> KafkaLog::take_sent(const model::UploadId& id) {
    const std::scoped_lock lock(sent_mutex_);
    auto taken = sent_whole_.extract(id);
    return taken.empty() ? nullptr : std::move(taken.mapped());
}

void KafkaLog::keep_failure(const model::UploadId& id, const Error& error) {
    const std::scoped_lock lock(sent_mutex_);
    failures_.insert_or_assign(id, error);
}

bool KafkaLog::was_fenced(const model::UploadId& id) const {
    const std::scoped_lock lock(sent_mutex_);
    const auto found = failures_.find(id);
    return found != failures_.end() && found->second.code == "kafka_fenced";
}

bool KafkaLog::was_sent(const model::UploadId& id) const {
    const std::scoped_lock lock(sent_mutex_);
    return sent_.contains(id);
}

void KafkaLog::drop_sent(const model::UploadId& id) {
    const std::scoped_lock lock(sent_mutex_);
    sent_whole_.erase(id);
    failures_.erase(id);
}

void KafkaLog::forget(const model::UploadId& id) {
    drop_sent(id);  // of one that another process overtook
    const std::scoped_lock lock(sent_mutex_);
    sent_.erase(id);
}

// Of rows that are sealed on this machine; 0 if they are not, but are all published already.
Result<uint32_t> KafkaLog::sealed_epoch(const model::UploadId& id) {
    // Whole and hashed, in a place of its own: from here on it is only read.
    if (const auto renamed = staged_.publish(id); !renamed) {
        const bool is_there =
            renamed.error().code == "log_not_sealed" && is_published(control_.published(id), 0);
        return is_there ? Result<uint32_t>(0) : std::unexpected(renamed.error());
    }
    RH_ASSIGN(const auto manifest, staged_.manifest(id));
    return manifest.epoch;
}

Result<void> KafkaLog::publish(const model::UploadId& id, const OnProgress& on_progress) {
    RH_TRY(connect());
    auto sent = take_sent(id);
    uint32_t epoch = 0;
    if (sent != nullptr) {
        epoch = sent->published().epoch;
    } else {
        RH_ASSIGN(epoch, sealed_epoch(id));
    }
    if (sent != nullptr) {
        tell_progress(*sent, on_progress);
    }
    Rival rival(options_.node);
    if (was_fenced(id)) {
        rival.has_fenced_us();
    }
    while (!is_published(control_.published(id), epoch)) {
        const uint64_t change = control_.changes();
        const auto published = control_.published(id);
        if (rival.is_at_work(published, epoch)) {
            RH_TRY(on_progress(published ? published->totals.rows : 0));
            control_.wait_for_change(change, kFollowMs);
            continue;
        }
        const auto done = sent != nullptr
                              ? sent->finish(Published::State::complete)  // only that is missing
                              : send_rows(id, epoch, on_progress);
        if (!done && sent != nullptr) {
            keep_failure(id, done.error());
            sent.reset();
        }
        if (!done && done.error().code != "kafka_fenced") {
            return done;
        }
        rival.has_fenced_us();
        RH_TRY(control_.catch_up());
    }
    forget(id);
    kill_point("kafka_before_unstage");
    return staged_.remove(id);
}

Result<std::unique_ptr<RowSender>> KafkaLog::open_sender(const model::UploadId& id, uint32_t epoch,
                                                         std::function<Result<void>()> on_wait) {
    RH_ASSIGN(auto producer, kafka::Producer::create(options_.cluster, transactional_id(id)));
    producer->set_on_wait(std::move(on_wait));
    RH_TRY(producer->init_transactions());
    // From here on nobody else can commit rows of this upload, so what is read now is the last
    // word.
    RH_TRY(control_.catch_up());
    Published published;
    const auto committed = control_.published(id);
    if (committed && committed->epoch >= epoch && committed->state != Published::State::abandoned) {
        published = *committed;
    } else {
        RH_ASSIGN(const int32_t partitions, admin_->partition_count(options_.topic));
        published.upload_id = id;
        published.epoch = std::max(epoch, committed ? committed->epoch : 0);
        published.partitions.resize(static_cast<size_t>(partitions));
    }
    if (published.state == Published::State::complete) {
        return nullptr;
    }
    published.publisher = options_.node;
    {
        const std::scoped_lock lock(sent_mutex_);
        sent_.insert(id);
    }
    return std::make_unique<RowSender>(std::move(producer), options_.topic, control_.topic(),
                                       schema_id_, std::move(published));
}

Result<void> KafkaLog::send_rows(const model::UploadId& id, uint32_t epoch,
                                 const OnProgress& on_progress) {
    RH_ASSIGN(const auto sender, open_sender(id, epoch, [&] { return on_progress(0); }));
    if (sender == nullptr) {
        return {};
    }
    tell_progress(*sender, on_progress);
    const uint64_t last_row = sender->published().last_row;
    RH_ASSIGN(const auto reader, staged_.read(id, last_row == 0 ? 0 : model::cell_of(last_row)));
    model::RowBatch batch;
    while (true) {
        RH_ASSIGN(const bool more, reader->next(batch));
        if (!more) {
            break;
        }
        RH_TRY(on_progress(sender->rows_committed()));
        RH_TRY(sender->send(batch));
    }
    return sender->finish(Published::State::complete);
}

// begun, complete: this process owns the rows from then on, if that is their state. abandoned: they
// never count, unless another process owns them by now. Of what is stored it says nothing.
Result<void> KafkaLog::declare(const model::UploadId& id, Published::State state,
                               const std::function<Result<void>()>& check) {
    if (auto trouble = control_.trouble()) {
        return std::unexpected(*std::move(trouble));  // nobody waits for brokers that are away
    }
    RH_ASSIGN(auto producer, kafka::Producer::create(options_.cluster, transactional_id(id)));
    RH_TRY(producer->init_transactions());
    RH_TRY(check ? check() : control_.catch_up());
    auto published = control_.published(id);
    const bool is_open =
        published && published->state != Published::State::abandoned && !control_.stored(id);
    const bool may_be_said = state == Published::State::abandoned
                                 ? is_open && published->publisher == options_.node
                                 : is_open && published->state == state;
    if (!may_be_said) {
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

bool KafkaLog::owns(const model::UploadId& id) const {
    const auto published = control_.published(id);
    return published && published->state == Published::State::complete &&
           published->publisher == options_.node;
}

std::string KafkaLog::owner_mark(const model::UploadId& id) const {
    const auto published = control_.published(id);
    return published ? fmt::format("{}/{}", published->publisher, published->written_ms) : "";
}

// Asked again when its owner cannot publish any more, since he may be at it just now.
Result<void> KafkaLog::take_over(const model::UploadId& id, const std::string& mark) {
    const auto check = [&]() -> Result<void> {
        RH_TRY(control_.catch_up());
        return owner_mark(id) == mark
                   ? Result<void>()
                   : fail(ErrorKind::conflict, "upload_taken_over",
                          "The process that publishes or stores the upload is at work on it.",
                          Verdict::retry);
    };
    RH_TRY(check());
    const auto published = control_.published(id);
    RH_TRY(declare(id, published ? published->state : Published::State::complete, check));
    return is_ours(id) ? Result<void>() : check();
}

std::string KafkaLog::owner(const model::UploadId& id) const {
    const auto published = control_.published(id);
    return published && published->state != Published::State::abandoned ? published->publisher : "";
}

Result<void> KafkaLog::say_at_work(const model::UploadId& id) {
    auto published = control_.published(id);
    if (!owns(id) || control_.stored(id) || control_.trouble()) {
        return {};
    }
    published->written_ms = now_ms();
    RH_TRY(control_.append(*published));
    return {};
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
    drop_sent(id);
    RH_TRY(staged_.remove(id));
    const auto published = control_.published(id);
    // What was sent last may be committed, and not be known yet.
    if (!published && was_sent(id)) {
        RH_TRY(declare(id, Published::State::abandoned));
        forget(id);
        return {};
    }
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
