// What producers, consumers and admin clients share: a configured librdkafka handle, and its errors
// as ours. Used by the .cc files of this room only.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/patience.h"
#include "base/result.h"
#include "kafka/client.h"
#include "kafka/library.h"

namespace rh::kafka {

// How long a call may wait for the brokers.
inline constexpr int kAnswerMs = 30'000;
// Between two questions whether to wait on.
inline constexpr int kSliceMs = 300;

std::unexpected<Error> kafka_error(const Library& library, rd_kafka_resp_err_t code,
                                   std::string_view what, std::string_view detail = {});
// Takes the error; nothing if there is none.
Result<void> take_error(const Library& library, rd_kafka_error_t* error, std::string_view what);

// Callbacks that a handle may have; they are called with `opaque`.
struct Callbacks {
    void* opaque = nullptr;
    void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr;
    void (*rebalanced)(rd_kafka_t*, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*,
                       void*) = nullptr;
};

class Handle {
  public:
    static Result<Handle> create(const Cluster& cluster, rd_kafka_type_t type,
                                 const Settings& settings, const Callbacks& callbacks);
    Handle(Handle&& other) noexcept
        : library_(other.library_), handle_(other.handle_), stop_(std::move(other.stop_)) {
        other.handle_ = nullptr;
    }
    Handle& operator=(Handle&&) = delete;
    ~Handle() {
        if (handle_ != nullptr) {
            library_->destroy(handle_);
        }
    }
    const Library& library() const { return *library_; }
    rd_kafka_t* get() const { return handle_; }
    const std::stop_token& stop() const { return stop_; }
    // Error if librdkafka has given the client up for good, which it tells only whoever asks.
    Result<void> check_alive(std::string_view what) const;
    // Asks the brokers, about `within_ms` at most: `question` is given a time limit in ms, and
    // asked again if nobody has answered within it, since librdkafka's calls cannot be ended from
    // outside.
    rd_kafka_resp_err_t ask(const std::function<rd_kafka_resp_err_t(int)>& question,
                            int within_ms = kAnswerMs) const;

  private:
    Handle(const Library* library, rd_kafka_t* handle, std::stop_token stop)
        : library_(library), handle_(handle), stop_(std::move(stop)) {}
    const Library* library_;
    rd_kafka_t* handle_;
    std::stop_token stop_;
};

// The answer to a request that comes by a queue of its own.
class Answer {
  public:
    // `ask` sends the request; if it cannot, its code is the answer.
    Answer(const Handle& handle, int timeout_ms,
           const std::function<rd_kafka_resp_err_t(rd_kafka_queue_t*)>& ask);
    ~Answer();
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;

    // Null if there is an error.
    rd_kafka_event_t* get() const { return code_ == RD_KAFKA_RESP_ERR_NO_ERROR ? event_ : nullptr; }
    rd_kafka_resp_err_t code() const { return code_; }
    std::unexpected<Error> error(std::string_view doing) const;

  private:
    const Library& library_;
    rd_kafka_queue_t* const queue_;
    rd_kafka_event_t* event_ = nullptr;
    rd_kafka_resp_err_t code_;
};

// A list of partitions of one topic, as librdkafka takes and gives it.
class PartitionList {
  public:
    PartitionList(const Library& library, const std::string& topic,
                  const std::vector<Position>& positions);
    PartitionList(const Library& library, const std::string& topic,
                  const std::vector<int32_t>& partitions);
    ~PartitionList() { library_.topic_partition_list_destroy(list_); }
    PartitionList(const PartitionList&) = delete;
    PartitionList& operator=(const PartitionList&) = delete;
    rd_kafka_topic_partition_list_t* get() const { return list_; }

  private:
    const Library& library_;
    rd_kafka_topic_partition_list_t* list_;
};

// Of the group that the handle is a client of.
Result<void> commit_offsets(const Handle& handle, const PartitionList& offsets,
                            std::string_view doing);

}  // namespace rh::kafka
