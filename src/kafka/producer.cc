#include <algorithm>
#include <map>
#include <utility>

#include "kafka/handle.h"

namespace rh::kafka {
namespace {

// A transaction that its producer left is aborted by the broker after this long, and until then
// nobody reads past it.
constexpr const char* kTransactionMs = "20000";
constexpr int kCommitMs = 25'000;
constexpr int kQueueFullWaitMs = 50;
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

    Result<rd_kafka_topic_t*> topic(const std::string& name) {
        auto& found = topics[name];
        if (found == nullptr) {
            found = handle.library().topic_new(handle.get(), name.c_str(), nullptr);
        }
        if (found == nullptr) {
            topics.erase(name);
            return kafka_error(handle.library(), RD_KAFKA_RESP_ERR__INVALID_ARG,
                               "opening topic " + name);
        }
        return found;
    }

    Handle handle;
    std::map<std::string, rd_kafka_topic_t*> topics;
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
                         {"queue.buffering.max.kbytes", "32768"}};
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
    const Library& library = impl_->handle.library();
    return take_error(library, library.init_transactions(impl_->handle.get(), kAnswerMs),
                      "taking over the transactional id");
}

Result<void> Producer::begin_transaction() {
    const Library& library = impl_->handle.library();
    return take_error(library, library.begin_transaction(impl_->handle.get()),
                      "beginning a transaction");
}

Result<void> Producer::commit_transaction() {
    const Library& library = impl_->handle.library();
    return take_error(library, library.commit_transaction(impl_->handle.get(), kCommitMs),
                      "committing a transaction");
}

int32_t Producer::partition_of(std::string_view key, int32_t partitions) const {
    return impl_->handle.library().msg_partitioner_murmur2(nullptr, key.data(), key.size(),
                                                           partitions, nullptr, nullptr);
}

Result<void> Producer::send(const std::string& topic, std::span<const Record> records,
                            Delivery& delivery) {
    const Library& library = impl_->handle.library();
    RH_ASSIGN(rd_kafka_topic_t* const handle, impl_->topic(topic));
    std::vector<rd_kafka_message_t> messages;
    while (!records.empty()) {
        const auto now = records.first(std::min(records.size(), kBatch));
        messages.clear();
        for (const Record& record : now) {
            rd_kafka_message_t message{};
            message.partition = record.partition;
            // librdkafka copies them.
            message.key = const_cast<char*>(record.key.data());
            message.key_len = record.key.size();
            message.payload = const_cast<char*>(record.value.data());
            message.len = record.value.size();
            message._private = &delivery;
            messages.push_back(message);
        }
        const int taken = library.produce_batch(handle, RD_KAFKA_PARTITION_UA,
                                                RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION,
                                                messages.data(), static_cast<int>(now.size()));
        if (static_cast<size_t>(taken) == now.size()) {
            library.poll(impl_->handle.get(), 0);
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
        library.poll(impl_->handle.get(), kQueueFullWaitMs);
        if (delivery.error) {
            return std::unexpected(*delivery.error);
        }
    }
    return {};
}

Result<void> Producer::flush(const Delivery& delivery) {
    const Library& library = impl_->handle.library();
    const auto code = library.flush(impl_->handle.get(), kAnswerMs);
    if (delivery.error) {
        return std::unexpected(*delivery.error);
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(library, code, "delivering records");
    }
    return {};
}

}  // namespace rh::kafka
