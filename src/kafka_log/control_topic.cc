#include "kafka_log/control_topic.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/random.h"
#include "base/without_exceptions.h"

namespace rh::kafka_log {
namespace {

constexpr int kPollMs = 100;
constexpr size_t kPollMax = 1'000;
// Longer than a transaction that its producer left may stay open: its timeout, and the brokers'
// interval of looking for such.
constexpr int64_t kCatchUpMs = 45'000;
constexpr auto kSlice = std::chrono::milliseconds(300);  // between two looks whether to wait on
// Of the question whether any broker answers: asked if a connection has failed.
constexpr int64_t kAskMs = 2'000;
constexpr int kAnswerWithinMs = 1'000;
constexpr auto kReadRetry = std::chrono::milliseconds(500);

}  // namespace

ControlTopic::ControlTopic(kafka::Cluster cluster, std::string topic)
    : cluster_(std::move(cluster)), topic_(std::move(topic)) {}

ControlTopic::~ControlTopic() = default;

Result<void> ControlTopic::connect() {
    const std::scoped_lock lock(connecting_);
    if (connected_) {
        return {};
    }
    if (admin_ == nullptr) {
        RH_ASSIGN(admin_, kafka::Admin::create(cluster_));
    }
    RH_TRY(admin_->ensure_topic(
        topic_, 1, {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.5"}}));
    RH_ASSIGN(const int32_t partitions, admin_->partition_count(topic_));
    if (partitions != 1) {
        return fail(ErrorKind::internal, "kafka_error",
                    fmt::format("Topic {} has {} partitions. Its records make the order of all "
                                "changes, so it must have one: delete it and let roundhouse create "
                                "it.",
                                topic_, partitions));
    }
    if (const std::string policy = admin_->topic_setting(topic_, "cleanup.policy");
        !policy.empty() && policy != "compact") {
        return fail(ErrorKind::internal, "kafka_error",
                    fmt::format("Topic {} has cleanup.policy={}, so Kafka would drop the records "
                                "that say which uploads count. Set cleanup.policy=compact for it.",
                                topic_, policy));
    }
    if (!reader_.joinable()) {
        reader_ = std::jthread([this](const std::stop_token& stop) { read(stop); });
    }
    std::unique_lock reading(mutex_);
    if (!wait(reading, [&] { return was_at_end_; })) {
        return takes_too_long("its end");
    }
    connected_ = true;
    return {};
}

Result<void> ControlTopic::catch_up() {
    RH_TRY(connect());
    RH_ASSIGN(const auto ends, admin_->watermarks(topic_, 0));
    return wait_until_read(ends.high);
}

Result<void> ControlTopic::wait_until_read(int64_t offset) {
    std::unique_lock lock(mutex_);
    if (wait(lock, [&] { return next_offset_ >= offset; })) {
        return {};
    }
    return takes_too_long(fmt::format("offset {}", offset));
}

bool ControlTopic::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& until) {
    Patience patience(cluster_.stop, kCatchUpMs);
    while (!changed_.wait_for(lock, kSlice, until)) {
        if (patience.is_over()) {
            return false;
        }
    }
    return true;
}

std::unexpected<Error> ControlTopic::takes_too_long(std::string_view to) const {
    return fail(ErrorKind::unavailable, "kafka_unavailable",
                fmt::format("Kafka: reading topic {} to {} takes too long; it is read to {}.",
                            topic_, to, next_offset_),
                Verdict::retry);
}

Result<uint64_t> ControlTopic::append(const ControlRecord& record) {
    RH_TRY(connect());
    const std::string key = key_of(record, random_hex(3));
    const std::string value = record_text(record);
    kafka::Delivery delivery(1);
    const int64_t known = next_offset();
    {
        const std::scoped_lock lock(sending_);
        if (producer_ == nullptr) {
            RH_ASSIGN(producer_, kafka::Producer::create(cluster_, {}));
        }
        const kafka::Record sent{.key = key, .value = value, .partition = 0};
        auto done = producer_->send(topic_, {&sent, 1}, delivery);
        if (done) {
            done = producer_->flush(delivery);
        }
        if (!done) {
            producer_.reset();  // drops the record, if it was not sent yet
            Error error = std::move(done).error();
            error.message = fmt::format("Topic {}: {}", topic_, error.message);
            return std::unexpected(std::move(error));
        }
    }
    if (delivery.last_offset[0] < known) {
        return not_the_topic_of(static_cast<uint64_t>(known) - 1);
    }
    RH_TRY(wait_until_read(delivery.last_offset[0] + 1));
    return static_cast<uint64_t>(delivery.last_offset[0]);
}

void ControlTopic::read(const std::stop_token& stop) {
    std::unique_ptr<kafka::Consumer> consumer;
    std::vector<kafka::Position> ends;
    const auto step = [&]() -> Result<void> {
        if (consumer == nullptr) {
            RH_ASSIGN(const auto marks, admin_->watermarks(topic_, 0));
            RH_ASSIGN(consumer, kafka::Consumer::create(cluster_));
            int64_t begin = marks.low;
            {
                const std::scoped_lock lock(mutex_);
                begin = std::max(begin, next_offset_);
            }
            RH_TRY(consumer->assign(topic_, {{.partition = 0, .offset = begin}}));
        }
        RH_ASSIGN(const auto messages, consumer->poll(kPollMax, kPollMs, &ends));
        if (messages.empty() && ends.empty()) {
            return {};
        }
        const std::scoped_lock lock(mutex_);
        for (const kafka::Message& message : messages) {
            apply(message);
        }
        for (const kafka::Position& end : ends) {
            next_offset_ = std::max(next_offset_, end.offset);
            was_at_end_ = true;
        }
        ++changes_;
        changed_.notify_all();
        return {};
    };
    while (!stop.stop_requested()) {
        look_after_brokers();
        if (const auto done = without_exceptions(step); !done) {
            log_event(LogLevel::warning, "the control topic is read again",
                      {{"code", done.error().code}, {"detail", done.error().message}});
            consumer.reset();
            std::this_thread::sleep_for(kReadRetry);
        }
    }
}

// A consumer hears nothing of brokers that are gone: it just gets no more records.
void ControlTopic::look_after_brokers() {
    const bool failed = trouble().has_value();
    const int64_t now = monotonic_ms();
    if (now - asked_at_ < kAskMs || (!failed && kafka::connection_trouble().empty())) {
        return;
    }
    asked_at_ = now;
    const auto answered = admin_->check_answers(kAnswerWithinMs);
    if (answered.has_value() == failed) {
        log_event(failed ? LogLevel::info : LogLevel::warning,
                  failed ? "Kafka answers again" : "Kafka does not answer",
                  {{"detail", failed ? "" : answered.error().message}});
    }
    const std::scoped_lock lock(mutex_);
    trouble_ = answered ? std::nullopt : std::optional(answered.error());
}

std::optional<Error> ControlTopic::trouble() const {
    const std::scoped_lock lock(mutex_);
    return trouble_;
}

void ControlTopic::apply(const kafka::Message& message) {
    if (message.offset < next_offset_) {
        return;
    }
    next_offset_ = message.offset + 1;
    if (!message.has_value) {
        return;
    }
    if (auto record = parse_record(message.value)) {
        apply(std::move(*record), static_cast<uint64_t>(message.offset));
    } else {
        log_event(LogLevel::error, "a record of the control topic cannot be read, and is left out",
                  {{"offset", std::to_string(message.offset)}});
    }
}

void ControlTopic::apply(ControlRecord record, uint64_t offset) {
    if (auto* published = std::get_if<Published>(&record)) {
        Upload& upload = uploads_[published->upload_id];
        if (!upload.published || upload.published->epoch <= published->epoch) {
            const bool goes_on = upload.published &&
                                 upload.published->publisher == published->publisher &&
                                 upload.published->epoch == published->epoch &&
                                 upload.published->state == published->state;
            upload.tenure += goes_on ? 0 : 1;
            upload.published = std::move(*published);
        }
        return;
    }
    if (auto* received = std::get_if<Received>(&record)) {
        Upload& upload = uploads_[received->upload_id];
        if (received->state.empty()) {
            upload.received.erase(received->receiver);
        } else if (!upload.stored) {
            upload.received[received->receiver] = std::move(*received);
        }
        return;
    }
    if (auto* stored = std::get_if<Stored>(&record)) {
        return apply(std::move(*stored), offset);
    }
    if (const auto* withdrawn = std::get_if<Withdrawn>(&record)) {
        uploads_[withdrawn->upload_id].withdrawn_at = static_cast<int64_t>(offset);
        return;
    }
    if (const auto* voided = std::get_if<Voided>(&record)) {
        Upload& upload = uploads_[voided->upload_id];
        if (upload.stored && !upload.voided) {
            upload.voided = offset;
            add_change(voided->upload_id, offset, true);
        }
        if (voided->replaced_by && !upload.replaced_by) {
            upload.replaced_by = voided->replaced_by;
        }
        return;
    }
    visible_ = std::max(visible_, std::get<Visible>(record).version);
    std::erase_if(unsettled_, [&](const Change& change) { return change.version <= visible_; });
    unsettled_since_ = monotonic_ms();
}

void ControlTopic::apply(Stored stored, uint64_t offset) {
    const model::UploadId id = stored.upload_id;
    Upload& upload = uploads_[id];
    if (upload.stored) {
        return;  // two processes had the same file; the first one made the version
    }
    if (stored.withdrawn_at < upload.withdrawn_at) {
        return;  // late: what its sender counted may have been removed since
    }
    const auto replaces = stored.replaces;
    if (replaces) {
        auto& replaced_by = uploads_[*replaces].replaced_by;
        if (replaced_by && *replaced_by != id) {
            upload.lost_to = replaced_by;  // two processes corrected the same file
            return;
        }
        replaced_by = id;
    }
    upload.lost_to.reset();  // of another time that the same file was sent
    untaken_.push_back({.version = offset, .record = stored});
    stored.upload.clear();  // whoever takes it keeps it
    upload.stored = {.version = offset, .record = std::move(stored)};
    add_change(id, offset, false);
    if (!replaces) {
        return;
    }
    Upload& replaced = uploads_[*replaces];
    if (replaced.stored && !replaced.voided) {
        replaced.voided = offset;
        add_change(*replaces, offset, true);
    }
}

void ControlTopic::add_change(const model::UploadId& id, uint64_t version, bool is_void) {
    if (version <= visible_) {
        return;
    }
    if (unsettled_.empty()) {
        unsettled_since_ = monotonic_ms();
    }
    unsettled_.push_back({.version = version, .upload_id = id, .is_void = is_void});
}

std::optional<Published> ControlTopic::published(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : found->second.published;
}

uint64_t ControlTopic::tenure(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? 0 : found->second.tenure;
}

int64_t ControlTopic::withdrawn_at(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? -1 : found->second.withdrawn_at;
}

std::optional<model::UploadId> ControlTopic::replaced_by(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : found->second.replaced_by;
}

std::optional<ControlTopic::StoredAt> ControlTopic::stored(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : found->second.stored;
}

std::optional<uint64_t> ControlTopic::voided(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : found->second.voided;
}

std::optional<model::UploadId> ControlTopic::lost_to(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : found->second.lost_to;
}

std::vector<model::UploadId> ControlTopic::voided_uploads() const {
    const std::scoped_lock lock(mutex_);
    std::map<uint64_t, model::UploadId> by_version;
    for (const auto& [id, upload] : uploads_) {
        if (upload.voided && *upload.voided <= visible_) {
            by_version.emplace(*upload.voided, id);
        }
    }
    std::vector<model::UploadId> ids;
    ids.reserve(by_version.size());
    std::ranges::copy(by_version | std::views::values, std::back_inserter(ids));
    return ids;
}

std::vector<Received> ControlTopic::received(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    std::vector<Received> said;
    if (const auto found = uploads_.find(id); found != uploads_.end()) {
        for (const auto& [receiver, record] : found->second.received) {
            said.push_back(record);
        }
    }
    return said;
}

std::vector<Received> ControlTopic::received_by(const std::string& receiver) const {
    const std::scoped_lock lock(mutex_);
    std::vector<Received> said;
    for (const auto& [id, upload] : uploads_) {
        const auto found = upload.received.find(receiver);
        if (found != upload.received.end() && !upload.stored) {
            said.push_back(found->second);
        }
    }
    return said;
}

std::vector<ControlTopic::StoredAt> ControlTopic::take_stored() {
    const std::scoped_lock lock(mutex_);
    for (const model::UploadId& id : std::exchange(taken_, {})) {
        uploads_[id].received.clear();
    }
    std::vector<StoredAt> taken;
    while (!untaken_.empty() && untaken_.front().version <= visible_) {
        taken_.push_back(untaken_.front().record.upload_id);
        taken.push_back(std::move(untaken_.front()));
        untaken_.pop_front();
    }
    return taken;
}

std::vector<Published> ControlTopic::open_uploads() const {
    const std::scoped_lock lock(mutex_);
    std::vector<Published> open;
    for (const auto& [id, upload] : uploads_) {
        if (upload.published && !upload.stored &&
            upload.published->state != Published::State::abandoned) {
            open.push_back(*upload.published);
        }
    }
    return open;
}

uint64_t ControlTopic::visible_version() const {
    const std::scoped_lock lock(mutex_);
    return visible_;
}

uint64_t ControlTopic::latest_version() const {
    const std::scoped_lock lock(mutex_);
    return unsettled_.empty() ? visible_ : unsettled_.back().version;
}

int64_t ControlTopic::next_offset() const {
    const std::scoped_lock lock(mutex_);
    return next_offset_;
}

std::unexpected<Error> ControlTopic::not_the_topic_of(uint64_t version) const {
    return fail(ErrorKind::conflict, "control_topic_replaced",
                fmt::format("Topic {} is not the one that made version {} of the figures: it was "
                            "deleted or emptied, or kafka.control_topic names another one. Nothing "
                            "is stored or voided, since versions would be numbered twice. See "
                            "\"The control topic is lost\" in docs/operations.md.",
                            topic_, version));
}

std::vector<Change> ControlTopic::unsettled() const {
    const std::scoped_lock lock(mutex_);
    return unsettled_;
}

int64_t ControlTopic::unsettled_for_ms() const {
    const std::scoped_lock lock(mutex_);
    return unsettled_.empty() ? 0 : monotonic_ms() - unsettled_since_;
}

uint64_t ControlTopic::changes() const {
    const std::scoped_lock lock(mutex_);
    return changes_;
}

void ControlTopic::wait_for_change(uint64_t seen, int64_t timeout_ms) const {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [&] { return changes_ != seen; });
}

}  // namespace rh::kafka_log
