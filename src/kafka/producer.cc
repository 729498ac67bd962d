#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "kafka/handle.h"

namespace rh::kafka {
namespace {

// A transaction that its producer left is aborted by the broker after this long, and until then
// nobody reads past it.
constexpr const char* kTransactionMs = "20000";
constexpr int kCommitMs = 25'000;
constexpr int kQueueFullWaitMs = 50;
constexpr int kAbortMs = 2'000;
constexpr size_t kBatch = 8'192;

}  // namespace

struct Producer::Impl {
    explicit Impl(Handle from) : handle(std::move(from)) {}
    ~Impl() {
        const Library& library = handle.library();
        library.purge(handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        library.poll(handle.get(), 0);
        for (const auto& [name, topic] : topics) {
            library.topic_destroy(topic);
        }
    }

    // Returns when a broker has answered. Of what is asked of a new client before that, some is put
    // off by 100 ms, and now and then the taking over of a transactional id by half a second.
    Result<void> meet_brokers() {
        if (!has_met) {
            RH_TRY(ask_for_metadata(nullptr, "looking for a broker"));
            has_met = true;
        }
        return {};
    }

    Result<void> ask_for_metadata(rd_kafka_topic_t* topic, std::string_view what) const {
        const struct rd_kafka_metadata* metadata = nullptr;
        const auto code = handle.ask([&](int limit_ms) {
            return handle.library().metadata(handle.get(), 0, topic, &metadata, limit_ms);
        });
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return kafka_error(handle.library(), code, what);
        }
        handle.library().metadata_destroy(metadata);
        return {};
    }

    Result<rd_kafka_topic_t*> topic(const std::string& name) {
        if (const auto known = topics.find(name); known != topics.end()) {
            return known->second;
        }
        RH_TRY(meet_brokers());
        rd_kafka_topic_t* opened = handle.library().topic_new(handle.get(), name.c_str(), nullptr);
        if (opened == nullptr) {
            return kafka_error(handle.library(), RD_KAFKA_RESP_ERR__INVALID_ARG,
                               "opening topic " + name);
        }
        // Records sent in batches before the partitions are known are put into them later, and
        // those partitions never become part of the transaction (seen with librdkafka 2.16).
        if (auto asked = ask_for_metadata(opened, "asking for topic " + name); !asked) {
            handle.library().topic_destroy(opened);
            return std::unexpected(std::move(asked).error());
        }
        topics.emplace(name, opened);
        return opened;
    }

    // Calls `attempt`, which returns after kSliceMs at most with a timeout that it may be called
    // again after, until it is done, it fails, or `deadline_ms` have passed.
    template <class Attempt>
    Result<void> in_slices(int deadline_ms, std::string_view what, Attempt attempt) {
        Patience patience(handle.stop(), deadline_ms);
        while (true) {
            rd_kafka_error_t* error = attempt();
            if (error == nullptr) {
                return {};
            }
            const bool timed_out =
                handle.library().error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT;
            const bool goes_on =
                handle.library().error_is_retriable(error) != 0 && !patience.is_over();
            if (!goes_on) {
                return take_error(handle.library(), error, what);
            }
            handle.library().error_destroy(error);
            if (!timed_out) {
                std::this_thread::sleep_for(std::chrono::milliseconds(kSliceMs));
            }
            RH_TRY(keep_waiting());
        }
    }
    // After an error nobody waits for what was sent: it is dropped, and all reports are made now,
    // while those who sent it still have the Delivery. Whatever the error is, that the producer was
    // fenced is the reason, if it was.
    Result<void> dropped_unless(Result<void> done) const {
        if (done) {
            return done;
        }
        const Library& library = handle.library();
        library.purge(handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (library.flush(handle.get(), kSliceMs) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        }
        RH_TRY(handle.check_alive("going on with a transaction"));
        return done;
    }
    static Result<void> check(const Delivery& delivery) {
        return delivery.error ? Result<void>(std::unexpected(*delivery.error)) : Result<void>();
    }
    Result<void> queue(const std::string& topic, std::span<const Record> records,
                       Delivery& delivery);
    Result<void> wait_for(const Delivery& delivery);
    Result<void> keep_waiting() const { return on_wait ? on_wait() : Result<void>(); }

    Handle handle;
    std::function<Result<void>()> on_wait;
    std::map<std::string, rd_kafka_topic_t*> topics;
    bool has_met = false;  // a broker
};

namespace {

void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto& delivery = *static_cast<Delivery*>(message->_private);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!delivery.error) {
            const auto& library = *static_cast<const Library*>(opaque);
            delivery.error = kafka_error(library, message->err, "delivering a record").error();
        }
        return;
    }
    const auto partition = static_cast<size_t>(message->partition);
    if (partition < delivery.last_offset.size()) {
        int64_t& first = delivery.first_offset[partition];
        first = first < 0 ? message->offset : std::min(first, message->offset);
        delivery.last_offset[partition] =
            std::max(delivery.last_offset[partition], message->offset);
    }
}

}  // namespace

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() = default;

Result<std::unique_ptr<Producer>> Producer::create(const Cluster& cluster,
                                                   const std::string& transactional_id) {
    Settings settings = {{"enable.idempotence", "true"},
                         {"acks", "all"},
                         {"linger.ms", "20"},
                         {"batch.size", "1000000"},
                         {"compression.type", "lz4"},
                         {"queue.buffering.max.messages", "500000"},
                         {"queue.buffering.max.kbytes", "16384"}};
    if (!transactional_id.empty()) {
        settings.emplace_back("transactional.id", transactional_id);
        settings.emplace_back("transaction.timeout.ms", kTransactionMs);
    }
    RH_ASSIGN(const Library* const library, load_library(cluster.library));
    RH_ASSIGN(Handle handle,
              Handle::create(cluster, RD_KAFKA_PRODUCER, settings,
                             {.opaque = const_cast<Library*>(library), .delivered = delivered}));
    return std::unique_ptr<Producer>(new Producer(std::make_unique<Impl>(std::move(handle))));
}

Result<void> Producer::init_transactions() {
    RH_TRY(impl_->meet_brokers());
    return impl_->in_slices(kAnswerMs, "taking over the transactional id", [&] {
        return impl_->handle.library().init_transactions(impl_->handle.get(), kSliceMs);
    });
}

void Producer::set_on_wait(std::function<Result<void>()> on_wait) {
    impl_->on_wait = std::move(on_wait);
}

Result<void> Producer::begin_transaction() {
    const Library& library = impl_->handle.library();
    return impl_->dropped_unless(take_error(library, library.begin_transaction(impl_->handle.get()),
                                            "beginning a transaction"));
}

Result<void> Producer::commit_transaction() {
    return impl_->dropped_unless(impl_->in_slices(kCommitMs, "committing a transaction", [&] {
        return impl_->handle.library().commit_transaction(impl_->handle.get(), kSliceMs);
    }));
}

void Producer::abort_transaction() {
    const Library& library = impl_->handle.library();
    if (auto* error = library.abort_transaction(impl_->handle.get(), kAbortMs); error != nullptr) {
        library.error_destroy(error);
    }
}

int32_t Producer::partition_of(std::string_view key, int32_t partitions) const {
    return impl_->handle.library().msg_partitioner_murmur2(nullptr, key.data(), key.size(),
                                                           partitions, nullptr, nullptr);
}

Result<void> Producer::send(const std::string& topic, std::span<const Record> records,
                            Delivery& delivery) {
    return impl_->dropped_unless(impl_->queue(topic, records, delivery));
}

Result<void> Producer::Impl::queue(const std::string& name, std::span<const Record> records,
                                   Delivery& delivery) {
    const Library& library = handle.library();
    RH_ASSIGN(rd_kafka_topic_t* const queued_to, topic(name));
    std::vector<rd_kafka_message_t> messages;
    while (!records.empty()) {
        const int32_t partition = records.front().partition;
        const auto run = std::ranges::find_if(
            records, [&](const Record& record) { return record.partition != partition; });
        const auto now =
            records.first(std::min(static_cast<size_t>(run - records.begin()), kBatch));
        messages.clear();
        for (const Record& record : now) {
            rd_kafka_message_t message{};
            // librdkafka copies them.
            message.key = const_cast<char*>(record.key.data());
            message.key_len = record.key.size();
            message.payload = const_cast<char*>(record.value.data());
            message.len = record.value.size();
            message._private = &delivery;
            messages.push_back(message);
        }
        const int taken = library.produce_batch(queued_to, partition, RD_KAFKA_MSG_F_COPY,
                                                messages.data(), static_cast<int>(now.size()));
        if (static_cast<size_t>(taken) == now.size()) {
            library.poll(handle.get(), 0);
            records = records.subspan(now.size());
            continue;
        }
        // It takes a prefix while there is room: the first one that it refuses says why.
        size_t first = 0;
        while (first < messages.size() && messages[first].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            ++first;
        }
        if (messages[first].err != RD_KAFKA_RESP_ERR__QUEUE_FULL ||
            first != static_cast<size_t>(taken)) {
            return kafka_error(library, messages[first].err, "sending a record");
        }
        records = records.subspan(first);
        library.poll(handle.get(), kQueueFullWaitMs);
        RH_TRY(check(delivery));
        RH_TRY(keep_waiting());
    }
    return {};
}

Result<void> Producer::send_with_headers(const std::string& topic, const Record& record,
                                         const Headers& headers, Delivery& delivery) {
    const Library& library = impl_->handle.library();
    std::vector<rd_kafka_vu_t> parts(6);
    parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    parts[0].u.cstr = topic.c_str();
    parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    parts[1].u.i32 = record.partition;
    parts[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[2].u.i = RD_KAFKA_MSG_F_COPY;
    parts[3].vtype = RD_KAFKA_VTYPE_KEY;
    parts[3].u.mem = {const_cast<char*>(record.key.data()), record.key.size()};
    parts[4].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[4].u.mem = {const_cast<char*>(record.value.data()), record.value.size()};
    parts[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[5].u.ptr = &delivery;
    for (const auto& [name, value] : headers) {
        rd_kafka_vu_t header{};
        header.vtype = RD_KAFKA_VTYPE_HEADER;
        header.u.header = {name.c_str(), value.data(), static_cast<ssize_t>(value.size())};
        parts.push_back(header);
    }
    const auto queued = [&]() -> Result<void> {
        Patience patience(impl_->handle.stop(), kAnswerMs);
        while (true) {
            auto* error = library.produceva(impl_->handle.get(), parts.data(), parts.size());
            if (error == nullptr || library.error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL ||
                patience.is_over()) {
                return take_error(library, error, "sending a record");
            }
            library.error_destroy(error);
            library.poll(impl_->handle.get(), kQueueFullWaitMs);
            RH_TRY(Impl::check(delivery));
            RH_TRY(impl_->keep_waiting());
        }
    };
    return impl_->dropped_unless(queued());
}

Result<void> Producer::flush(const Delivery& delivery) {
    return impl_->dropped_unless(impl_->wait_for(delivery));
}

Result<void> Producer::Impl::wait_for(const Delivery& delivery) {
    const Library& library = handle.library();
    Patience patience(handle.stop(), kAnswerMs);
    auto code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (code == RD_KAFKA_RESP_ERR__TIMED_OUT && !patience.is_over()) {
        code = library.flush(handle.get(), kSliceMs);
        RH_TRY(check(delivery));
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            RH_TRY(keep_waiting());
        }
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(library, code, "delivering records");
    }
    return {};
}

}  // namespace rh::kafka
