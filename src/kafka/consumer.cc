#include <algorithm>
#include <utility>

#include "base/log.h"
#include "kafka/handle.h"

namespace rh::kafka {
namespace {

// Of fetched records that wait to be polled; librdkafka needs about five times as much memory.
constexpr const char* kQueuedKbytes = "8192";
constexpr int kCommitAttempts = 3;
// How soon partitions that were added to the topic are read; librdkafka's own is five minutes.
constexpr const char* kNewPartitionsMs = "15000";

// A static member that comes back gets what it had, also of a topic that it does not read any more.
std::vector<int32_t> partitions_in(const rd_kafka_topic_partition_list_t& list,
                                   std::string_view topic) {
    std::vector<int32_t> partitions;
    partitions.reserve(static_cast<size_t>(list.cnt));
    for (int i = 0; i < list.cnt; ++i) {
        if (list.elems[i].topic == topic) {
            partitions.push_back(list.elems[i].partition);
        }
    }
    return partitions;
}

}  // namespace

struct Consumer::Impl {
    explicit Impl(const Library& from) : library(from) {}
    ~Impl() { close(); }

    void close() {
        free_messages();
        if (handle && !closed) {
            closed = true;
            library.consumer_close(handle->get());
            if (queue != nullptr) {
                library.queue_destroy(queue);
            }
        }
    }
    void free_messages() {
        for (rd_kafka_message_t* message : raw) {
            library.message_destroy(message);
        }
        raw.clear();
        messages.clear();
    }
    void change_assignment(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list) {
        const auto partitions = partitions_in(*list, topic);
        if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
            rebalance.revoked(partitions);
            // A pause would outlive the assignment, and who gets the partition again does not know.
            library.resume_partitions(handle->get(), list);
            library.assign(handle->get(), nullptr);
            return;
        }
        auto positions = rebalance.assigned(partitions);
        if (!positions) {
            error = std::move(positions).error();
            library.assign(handle->get(), nullptr);
            return;
        }
        const PartitionList begin(library, topic, *positions);
        library.assign(handle->get(), begin.get());
    }
    static void rebalanced(rd_kafka_t*, rd_kafka_resp_err_t code,
                           rd_kafka_topic_partition_list_t* list, void* opaque) {
        static_cast<Impl*>(opaque)->change_assignment(code, list);
    }

    const Library& library;
    std::optional<Handle> handle;
    rd_kafka_queue_t* queue = nullptr;
    bool closed = false;
    std::string topic;
    Rebalance rebalance;
    std::optional<Error> error;  // of a callback
    std::vector<rd_kafka_message_t*> raw;
    std::vector<Message> messages;
};

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::~Consumer() = default;

Result<std::unique_ptr<Consumer>> Consumer::create(const Cluster& cluster,
                                                   const std::optional<Member>& member) {
    // Where to begin is always said; what is gone from there on is an error and never skipped.
    Settings settings = {
        // librdkafka wants a group's name also of a consumer that joins none.
        {"group.id", member ? member->group : "roundhouse-unused"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"},
        {"partition.assignment.strategy", "range"},
        {"session.timeout.ms", std::to_string(kSessionMs)},
        {"topic.metadata.refresh.interval.ms", kNewPartitionsMs},
        {"fetch.wait.max.ms", "50"},
        {"fetch.error.backoff.ms", "50"},
        // How long a full queue puts off the next fetch; librdkafka's own is a second.
        {"fetch.queue.backoff.ms", "10"},
        {"queued.max.messages.kbytes", kQueuedKbytes},
    };
    if (member) {
        settings.emplace_back("group.instance.id", member->name);
    }
    RH_ASSIGN(const Library* const library, load_library(cluster.library));
    auto impl = std::make_unique<Impl>(*library);
    RH_ASSIGN(Handle handle,
              Handle::create(cluster, RD_KAFKA_CONSUMER, settings,
                             {.opaque = impl.get(), .rebalanced = Impl::rebalanced}));
    impl->handle.emplace(std::move(handle));
    library->poll_set_consumer(impl->handle->get());
    impl->queue = library->queue_get_consumer(impl->handle->get());
    return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Result<void> Consumer::subscribe(const std::string& topic, Rebalance rebalance) {
    impl_->topic = topic;
    impl_->rebalance = std::move(rebalance);
    const PartitionList list(impl_->library, topic, std::vector<int32_t>{RD_KAFKA_PARTITION_UA});
    const auto code = impl_->library.subscribe(impl_->handle->get(), list.get());
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? Result<void>{}
               : kafka_error(impl_->library, code, "joining the consumer group");
}

Result<void> Consumer::rejoin() {
    const auto code = impl_->library.unsubscribe(impl_->handle->get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(impl_->library, code, "leaving the consumer group");
    }
    return subscribe(std::string(impl_->topic), std::move(impl_->rebalance));
}

Result<void> Consumer::assign(const std::string& topic, const std::vector<Position>& positions) {
    impl_->topic = topic;
    const PartitionList list(impl_->library, topic, positions);
    const auto code = impl_->library.assign(impl_->handle->get(), list.get());
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? Result<void>{}
               : kafka_error(impl_->library, code, "choosing partitions to read");
}

Result<std::span<const Message>> Consumer::poll(size_t max, int timeout_ms,
                                                std::vector<Position>* ends) {
    impl_->free_messages();
    if (ends != nullptr) {
        ends->clear();
    }
    impl_->raw.resize(max);
    // One call for the first message and one for those that are there behind it: a call for many
    // waits for all of them, or until its time is over.
    const auto take = [&](size_t from, size_t count, int wait_ms) {
        const ssize_t taken = impl_->library.consume_batch_queue(impl_->queue, wait_ms,
                                                                 impl_->raw.data() + from, count);
        return taken > 0 ? static_cast<size_t>(taken) : 0;
    };
    size_t got = take(0, 1, timeout_ms);
    if (got > 0) {
        got += take(1, max - 1, 0);
    }
    impl_->raw.resize(got);
    if (impl_->error) {
        return std::unexpected(*std::exchange(impl_->error, std::nullopt));
    }
    if (impl_->raw.empty()) {
        RH_TRY(impl_->handle->check_alive("reading"));
    }
    std::optional<Error> error;
    for (const rd_kafka_message_t* message : impl_->raw) {
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (ends != nullptr) {
                std::erase_if(*ends, [&](const Position& end) {
                    return end.partition == message->partition;
                });
            }
            impl_->messages.push_back(
                {.key = {static_cast<const char*>(message->key), message->key_len},
                 .value = {static_cast<const char*>(message->payload), message->len},
                 .has_value = message->payload != nullptr,
                 .partition = message->partition,
                 .offset = message->offset});
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (ends != nullptr) {
                ends->push_back({.partition = message->partition, .offset = message->offset});
            }
        } else if (auto failed = kafka_error(impl_->library, message->err, "reading",
                                             impl_->library.message_errstr(message));
                   failed.error().verdict == Verdict::give_up) {
            error = std::move(failed).error();
        } else {
            // librdkafka goes on by itself when the brokers are back.
            log_event(LogLevel::debug, "reading from Kafka goes on",
                      {{"detail", failed.error().message}});
        }
    }
    if (error) {
        return std::unexpected(std::move(*error));
    }
    return std::span<const Message>(impl_->messages);
}

Result<void> Consumer::pause(const std::string& topic, const std::vector<int32_t>& partitions) {
    const PartitionList list(impl_->library, topic, partitions);
    const auto code = impl_->library.pause_partitions(impl_->handle->get(), list.get());
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? Result<void>{}
               : kafka_error(impl_->library, code, "pausing partitions");
}

Result<void> Consumer::resume(const std::string& topic, const std::vector<int32_t>& partitions) {
    const PartitionList list(impl_->library, topic, partitions);
    const auto code = impl_->library.resume_partitions(impl_->handle->get(), list.get());
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? Result<void>{}
               : kafka_error(impl_->library, code, "going on with partitions");
}

Result<void> Consumer::commit(const std::string& topic, const std::vector<Position>& positions) {
    const PartitionList list(impl_->library, topic, positions);
    Result<void> committed;
    for (int attempt = 0; attempt < kCommitAttempts; ++attempt) {
        committed = commit_offsets(*impl_->handle, list, "committing offsets");
        if (committed || impl_->handle->stop().stop_requested()) {
            break;
        }
    }
    return committed;
}

void Consumer::close() { impl_->close(); }

}  // namespace rh::kafka
