// The control topic: one partition, compacted, read from its beginning to its end by every process
// of a cluster, all of which so come to the same state. Versions of the figures are made here: the
// first `stored` (or `voided`) record of an upload makes the version that is its offset, unless its
// rows may have been removed since they were counted (`withdrawn`). Any process may write the rows
// of `uploads` for versions that are not visible yet, since all of them would write the same.
//
// Any thread. connect() may be called again after an Error. Errors are kafka's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka_log/records.h"
#include "model/upload_id.h"

namespace rh::kafka_log {

// A version that is not visible yet.
struct Change {
    uint64_t version = 0;
    model::UploadId upload_id;
    bool is_void = false;
};

class ControlTopic {
  public:
    ControlTopic(kafka::Cluster cluster, std::string topic);
    ~ControlTopic();

    const std::string& topic() const { return topic_; }
    // Why the brokers do not answer, as of the last seconds; nothing while they do, or if nobody
    // has asked them yet.
    std::optional<Error> trouble() const;
    // Creates the topic if it is missing, and begins to read it. Returns when all is read that was
    // there.
    Result<void> connect();
    // Returns when every record that was committed before the call is part of the state. Waits for
    // transactions of others that are open, which end within half a minute.
    Result<void> catch_up();

    // Sends a record and waits until it is part of the state; its offset. Error conflict
    // control_topic_replaced if the topic has become another one meanwhile.
    Result<uint64_t> append(const ControlRecord& record);

    // How far the rows of an upload are; nullopt: never heard of.
    std::optional<Published> published(const model::UploadId& id) const;
    // Another number for each owner of the rows, and each time that somebody becomes it, or that
    // they are published anew: who finds the same number again has owned them all the while.
    uint64_t tenure(const model::UploadId& id) const;
    // Offset of the last record that says its rows are about to be removed; -1: there is none.
    int64_t withdrawn_at(const model::UploadId& id) const;
    // The version from which on it counts, and what the first `stored` record said.
    struct StoredAt {
        uint64_t version = 0;
        Stored record;
    };
    std::optional<StoredAt> stored(const model::UploadId& id) const;
    std::optional<uint64_t> voided(const model::UploadId& id) const;
    // The first one that was stored in place of it.
    std::optional<model::UploadId> replaced_by(const model::UploadId& id) const;
    // The upload that was stored first in place of the one that `id` was to replace, if `id` was
    // announced as stored later: then it is not.
    std::optional<model::UploadId> lost_to(const model::UploadId& id) const;
    // What its receivers last said of it before it was stored; kept until take_stored() is called
    // again after it gave the upload, so that there is always somebody who knows it.
    std::vector<Received> received(const model::UploadId& id) const;
    // What this one said of uploads that are not stored.
    std::vector<Received> received_by(const std::string& receiver) const;
    // Stored uploads whose versions are visible, in their order: each is given once.
    std::vector<StoredAt> take_stored();
    // By a version that is visible, in the order of these versions.
    std::vector<model::UploadId> voided_uploads() const;
    // What is published, in part or all of it, and neither stored nor abandoned.
    std::vector<Published> open_uploads() const;
    uint64_t visible_version() const;
    // The last one that was made, visible or not.
    uint64_t latest_version() const;
    // Before which offset everything is part of the state.
    int64_t next_offset() const;
    // Error conflict control_topic_replaced: the topic is not the one that has made `version`.
    std::unexpected<Error> not_the_topic_of(uint64_t version) const;
    // Versions after the visible one, in their order, and how long the first has been known.
    std::vector<Change> unsettled() const;
    int64_t unsettled_for_ms() const;
    // Grows with every record; wait_for_change() returns when it is not `seen` any more, or after
    // the time.
    uint64_t changes() const;
    void wait_for_change(uint64_t seen, int64_t timeout_ms) const;

  private:
    struct Upload {
        std::optional<Published> published;
        uint64_t tenure = 0;
        int64_t withdrawn_at = -1;
        std::optional<StoredAt> stored;
        std::optional<uint64_t> voided;
        std::optional<model::UploadId> replaced_by;  // the first one that was stored for it
        std::optional<model::UploadId> lost_to;
        std::map<std::string, Received> received;  // by receiver
    };
    void read(const std::stop_token& stop);
    void look_after_brokers();
    void apply(const kafka::Message& message);
    void apply(ControlRecord record, uint64_t offset);
    void apply(Stored stored, uint64_t offset);
    void add_change(const model::UploadId& id, uint64_t version, bool is_void);
    Result<void> wait_until_read(int64_t offset);
    // False if that takes too long. `lock` is of mutex_.
    bool wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& until);
    std::unexpected<Error> takes_too_long(std::string_view to) const;

    const kafka::Cluster cluster_;
    const std::string topic_;
    std::mutex connecting_;  // held by connect(); guards the next two
    std::unique_ptr<kafka::Admin> admin_;
    bool connected_ = false;
    std::mutex sending_;  // guards producer_
    std::unique_ptr<kafka::Producer> producer_;
    mutable std::mutex mutex_;  // guards all below but the thread
    mutable std::condition_variable changed_;
    std::map<model::UploadId, Upload> uploads_;
    std::vector<Change> unsettled_;
    std::deque<StoredAt> untaken_;        // for take_stored()
    std::vector<model::UploadId> taken_;  // by its last call
    int64_t unsettled_since_ = 0;
    uint64_t visible_ = 0;
    int64_t next_offset_ = 0;  // everything before it is part of the state
    bool was_at_end_ = false;  // of what was committed
    uint64_t changes_ = 0;
    std::optional<Error> trouble_;
    int64_t asked_at_ = 0;  // the brokers whether they answer; of the reader's thread
    std::jthread reader_;
};

}  // namespace rh::kafka_log
