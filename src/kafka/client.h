// Producers, consumers and topics of Kafka, over librdkafka. A Producer or Consumer is used by one
// thread at a time; each has threads of its own inside.
//
// Errors of all calls: unavailable kafka_unavailable (retry) for what may pass (no broker answers,
// a leader moves, a time limit is reached), conflict kafka_fenced when another producer has taken
// over the transactional id, internal kafka_retention_lost when records that were to be read are
// gone from the topic, internal kafka_error for what does not pass (it says what Kafka said). After
// any error of a transaction the Producer is of no use: what it began is aborted by the next one of
// the same id.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rh::kafka {

// librdkafka's own names and values.
using Settings = std::vector<std::pair<std::string, std::string>>;

// How to reach the brokers: what every client is made of.
struct Cluster {
    std::string brokers;  // host:port,…
    Settings settings;    // added to each client's: SASL, TLS …
    std::string library;  // path of librdkafka; empty: where it is looked for
    // Copies of each partition of topics that are created; 0: three, or as many as there are
    // brokers.
    int32_t replication = 0;
    // Once a stop is requested no call waits for brokers that do not answer for more than about a
    // second; one that waits already ends within a few.
    std::stop_token stop;
};

struct Record {
    std::string_view key;
    std::string_view value;
    int32_t partition = 0;
};
using Headers = std::vector<std::pair<std::string, std::string>>;

// Where sent records ended up. Nothing is written to it any more once flush() or
// commit_transaction() has returned, or any call has failed.
struct Delivery {
    explicit Delivery(size_t partitions)
        : first_offset(partitions, -1), last_offset(partitions, -1) {}
    std::vector<int64_t> first_offset;  // by partition; -1: none was delivered
    std::vector<int64_t> last_offset;
    std::optional<Error> error;  // the first one
};

class Producer {
  public:
    // Idempotent; with a transactional id also transactional, and every record must then be sent in
    // a transaction.
    static Result<std::unique_ptr<Producer>> create(const Cluster& cluster,
                                                    const std::string& transactional_id);
    ~Producer();  // what is not delivered is dropped

    // Called a few times a second while a call waits for the brokers; its Error ends the call,
    // after which the Producer is of no use.
    void set_on_wait(std::function<Result<void>()> on_wait);
    // Ends what an earlier producer of the same id left open, and fences it.
    Result<void> init_transactions();
    Result<void> begin_transaction();
    // Delivers what was sent and commits it. After an Error nobody knows whether it was committed.
    Result<void> commit_transaction();
    // Ends the open transaction, without a word if that fails: the brokers do it later, and until
    // then nobody reads past it. Waits for two seconds at most.
    void abort_transaction();

    // Queues copies of the records, and waits while the queue is full. Whether they arrive is in
    // `delivery` after flush() or commit_transaction().
    Result<void> send(const std::string& topic, std::span<const Record> records,
                      Delivery& delivery);
    // One record with headers; the same otherwise.
    Result<void> send_with_headers(const std::string& topic, const Record& record,
                                   const Headers& headers, Delivery& delivery);
    // The partition that Kafka's own clients choose for this key: murmur2, as in Java. Any thread.
    int32_t partition_of(std::string_view key, int32_t partitions) const;
    // Returns when everything sent is delivered; the first Error of `delivery`, if there is one.
    Result<void> flush(const Delivery& delivery);

  private:
    struct Impl;
    explicit Producer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

struct Message {
    std::string_view key;
    std::string_view value;
    bool has_value = true;  // false: a tombstone
    int32_t partition = 0;
    int64_t offset = 0;
};

struct Position {
    int32_t partition = 0;
    int64_t offset = 0;  // of the next record
};

// Offsets that exist: [low, high). Records of open transactions count as existing.
struct Watermarks {
    int64_t low = 0;
    int64_t high = 0;
};

class Consumer {
  public:
    static constexpr int kSessionMs = 10'000;
    // Called from poll() and close() by a consumer of a group. `assigned` answers where to begin in
    // each of the partitions (Error: the group is left and poll() returns it); `revoked` may
    // commit.
    struct Rebalance {
        std::function<Result<std::vector<Position>>(const std::vector<int32_t>&)> assigned;
        std::function<void(const std::vector<int32_t>&)> revoked;
    };
    // A static member of a group: one that comes back under the same name within kSessionMs gets
    // its partitions again at once; later, or under another name, when the group has missed it for
    // that long.
    struct Member {
        std::string group;
        std::string name;
    };
    // Reads committed records only. Without a group the partitions are chosen by assign().
    static Result<std::unique_ptr<Consumer>> create(const Cluster& cluster,
                                                    const std::optional<Member>& member = {});
    ~Consumer();  // close()

    Result<void> subscribe(const std::string& topic, Rebalance rebalance);
    Result<void> assign(const std::string& topic, const std::vector<Position>& positions);
    // The next messages, at most `max`, none if none comes in time; valid until the next call. In
    // `ends` (may be null) the partitions whose end was reached after the last message of each,
    // with the offset of what will come next. Records of a transaction that is open, and all after
    // them, are behind the end.
    Result<std::span<const Message>> poll(size_t max, int timeout_ms,
                                          std::vector<Position>* ends = nullptr);
    // Leaves the group, and joins it again under the same name: whoever comes back gets what it
    // had, and nobody looks whether the group has shared out all there is.
    Result<void> rejoin();
    // Until resume(), or until the partitions are revoked.
    Result<void> pause(const std::string& topic, const std::vector<int32_t>& partitions);
    Result<void> resume(const std::string& topic, const std::vector<int32_t>& partitions);
    // Of a consumer of a group.
    Result<void> commit(const std::string& topic, const std::vector<Position>& positions);
    void close();

  private:
    struct Impl;
    explicit Consumer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Why brokers do not answer, if one of this process's connections failed or was refused lately:
// "The last connection that failed: …"; empty otherwise. Any thread.
std::string connection_trouble();

// Questions and changes that need no stream. Any thread, but committed() and commit() are called by
// one at a time.
class Admin {
  public:
    static Result<std::unique_ptr<Admin>> create(const Cluster& cluster);
    ~Admin();

    // Creates the topic unless it exists, with the cluster's replication; a record that was
    // acknowledged is then in all copies but one, or in the only one. It is there, with a leader
    // for every partition, when the call returns.
    Result<void> ensure_topic(const std::string& topic, int32_t partitions,
                              const Settings& settings = {});
    // Whether any broker answers within `limit_ms`. Error unavailable kafka_unavailable.
    Result<void> check_answers(int limit_ms);
    // A setting of a topic; empty if the brokers do not tell, as to a user without the right to
    // ask.
    std::string topic_setting(const std::string& topic, std::string_view name);
    // not_found kafka_topic_missing.
    Result<int32_t> partition_count(const std::string& topic);
    // With records of transactions that are not decided, which a Consumer does not get yet.
    Result<Watermarks> watermarks(const std::string& topic, int32_t partition);
    // Of each partition 0 … count−1: the offset that the group has committed; nullopt: none.
    Result<std::vector<std::optional<int64_t>>> committed(const std::string& group,
                                                          const std::string& topic, int32_t count);
    // The partitions of the topic that members of the group read, when they agree on who reads
    // what; nullopt: they do not just now, or the brokers do not tell. After the group has lost its
    // coordinator, another Admin may find the next one sooner.
    std::optional<std::set<int32_t>> partitions_read(const std::string& group,
                                                     const std::string& topic);
    // Commits offsets for a group that nobody joins: marks that whoever asks for them finds.
    Result<void> commit(const std::string& group, const std::string& topic,
                        const std::vector<Position>& positions);

  private:
    struct Impl;
    explicit Admin(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::kafka
