// The log in Kafka (docs/formats/kafka.md): topic staging-bets has nothing but rows, one message a
// row, and the control topic what is committed of which upload. Rows are sent in transactions, each
// with a record of how far it is, so that whoever goes on after a crash goes on at the exact row.
// The last one is the manifest. Rows that nothing can refuse any more are sent while their file is
// judged, and are kept nowhere else. Others, and those of a file whose sending failed once, are
// first sealed in an embedded log on this machine, and publish() sends them.
//
// Two processes that have the same file do not send it twice: each upload has a transactional id of
// its own, so that one of them is fenced, follows the other's progress, and takes over when there
// has been none for kTakeOverMs. Who has published it last owns its rows: only the owner declares
// them void, and repairs or removes what ClickHouse has of them. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka/registry.h"
#include "kafka_log/control_topic.h"
#include "kafka_log/row_sender.h"
#include "log/embedded_log.h"
#include "log/log.h"

namespace rh::kafka_log {

inline constexpr int64_t kTakeOverMs = 30'000;
// Who has fenced a producer says within this time what it publishes.
inline constexpr int64_t kFirstRecordMs = 10'000;

struct KafkaLogOptions {
    kafka::Cluster cluster;
    std::string registry_url;
    std::string tls_ca_file;  // for https
    std::string topic;        // of rows
    int32_t partitions = 0;   // of that topic, if it is created now
    std::string node;         // names this process, over restarts
};

class KafkaLog : public log::Log {
  public:
    // `staged` is where rows are sealed until they are published. All arguments outlive the log.
    KafkaLog(log::EmbeddedLog& staged, ControlTopic& control, KafkaLogOptions options)
        : staged_(staged), control_(control), options_(std::move(options)) {}

    // Creates topics that are missing and registers the schema. Called by publish() too. Errors:
    // kafka's and the registry's.
    Result<void> connect();
    const KafkaLogOptions& options() const { return options_; }
    // Of the schema of rows, once it is connected; −1 before.
    int32_t schema_id() const { return schema_id_; }

    Result<std::unique_ptr<log::Writer>> begin(const model::UploadId& id, uint32_t epoch,
                                               const KeepGoing& keep_going) override;
    Result<void> publish(const model::UploadId& id, const OnProgress& on_progress) override;
    Result<log::Manifest> manifest(const model::UploadId& id) const override;
    // Every row of the manifest, whatever `first_cell` is.
    Result<std::unique_ptr<log::RowReader>> read(const model::UploadId& id,
                                                 uint64_t first_cell) const override;
    // Rows that are in the topic stay there, marked as abandoned if they are this process's.
    Result<void> remove(const model::UploadId& id) override;
    Result<void> drop_damaged(const model::UploadId& id) override;
    Result<std::vector<model::UploadId>> uploads() const override;

    // Whether no other process owns the rows.
    bool is_ours(const model::UploadId& id) const;
    // Whether this process does, and all of them are published.
    bool owns(const model::UploadId& id) const;
    // The process that has published them, in part or all; empty: none, or they do not count.
    std::string owner(const model::UploadId& id) const;
    // Makes this process the owner of rows, all of them or those that are published, if
    // owner_mark() is `mark`, also when their publisher is fenced; else error conflict
    // upload_taken_over.
    Result<void> take_over(const model::UploadId& id, const std::string& mark);
    // Another one with each record of who publishes, owns and works on the rows.
    std::string owner_mark(const model::UploadId& id) const;
    // Writes such a record, if this process owns the rows and the brokers answer.
    Result<void> say_at_work(const model::UploadId& id);

  private:
    friend class DirectWriter;
    Result<uint32_t> sealed_epoch(const model::UploadId& id);
    Result<void> send_rows(const model::UploadId& id, uint32_t epoch,
                           const OnProgress& on_progress);
    // Whose producer is the only one of the upload; null if all of it is published.
    Result<std::unique_ptr<RowSender>> open_sender(const model::UploadId& id, uint32_t epoch,
                                                   std::function<Result<void>()> on_wait);
    bool may_send_directly(const model::UploadId& id) const;
    void keep_sent(const model::UploadId& id, std::unique_ptr<RowSender> sender);
    std::unique_ptr<RowSender> take_sent(const model::UploadId& id);  // null: there is none
    void drop_sent(const model::UploadId& id);                        // and that it failed
    void keep_failure(const model::UploadId& id, const Error& error);
    bool was_fenced(const model::UploadId& id) const;
    bool was_sent(const model::UploadId& id) const;
    void forget(const model::UploadId& id);
    Result<void> declare(const model::UploadId& id, Published::State state,
                         const std::function<Result<void>()>& check = {});
    std::string transactional_id(const model::UploadId& id) const;

    log::EmbeddedLog& staged_;
    ControlTopic& control_;
    const KafkaLogOptions options_;
    std::mutex connecting_;
    std::unique_ptr<kafka::Admin> admin_;  // there when schema_id_ is
    std::atomic<int32_t> schema_id_ = -1;
    mutable std::mutex sent_mutex_;                                     // guards the next three
    std::map<model::UploadId, std::unique_ptr<RowSender>> sent_whole_;  // but for the manifest
    std::map<model::UploadId, Error> failures_;  // of sending while the file was judged
    std::set<model::UploadId> sent_;  // of which something may be in the topic, by this process
};

}  // namespace rh::kafka_log
