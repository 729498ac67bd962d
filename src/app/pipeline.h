// The workers between a received upload and a stored one: one thread validates and publishes, one
// stores, each in the order of arrival, so the next file is validated while ClickHouse takes the
// last one. What an earlier process left unfinished is taken up by start(). The second thread first
// brings ClickHouse up, and the first one does not wait for that. Any thread may call;
// stop() ends both workers between two steps, and what they were doing goes on at the next start.
// An exception in a worker is an error like any other: the upload is tried again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "api/upload_service.h"
#include "app/bring_up.h"
#include "app/metrics.h"
#include "base/result.h"
#include "log/log.h"
#include "publish/publisher.h"
#include "sink/sink.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"
#include "uploads/progress.h"

namespace rh::app {

class Pipeline : public api::UploadService {
  public:
    struct Context {
        const uploads::Layout& layout;
        uploads::Ledger& ledger;
        uploads::ProgressBoard& board;
        log::Log& log;
        publish::Publisher& publisher;
        sink::Versions& versions;
        BringUp& bring_up;
        const clickhouse::Store& store;
        sink::Peers* peers = nullptr;                // null: rows go ahead
        std::function<void(const Error&)> on_fatal;  // ClickHouse can never be brought up
        // An upload ended without being stored.
        std::function<void(const model::UploadId&)> on_not_stored;
    };
    explicit Pipeline(Context context);
    ~Pipeline() override;

    // Takes up what is unfinished in the ledger and starts the workers.
    Result<void> start();
    // Asks the workers to end; they do so between two steps, unless ClickHouse hangs in one.
    void request_stop();
    // Waits for that, at most `timeout`; false if they still work.
    bool has_ended_within(std::chrono::milliseconds timeout);
    void stop();  // both, and waits without end

    void submit(const model::UploadId& id, int64_t receive_ms) override;
    std::optional<uploads::Upload> find_elsewhere(const model::UploadId& id) const override;
    Result<uploads::Upload> cancel(const model::UploadId& id) override;
    Result<void> remove(const model::UploadId& id) override;
    Result<uploads::Upload> void_upload(const model::UploadId& id) override;
    Result<uploads::Upload> wait_final(const model::UploadId& id, unsigned seconds,
                                       const std::function<bool()>& stopping) override;

    std::optional<Error> waits_for(const model::UploadId& id) const override;

    struct Health {
        size_t waiting_to_publish = 0;  // those that are tried again included
        size_t waiting_to_store = 0;
        uint64_t publish_retries = 0;             // since the start
        uint64_t store_retries = 0;               // since the start
        std::optional<Error> last_publish_error;  // of an upload that is tried again
        std::optional<Error>
            last_store_error;  // of the upload now being stored; empty once it goes on
        uint64_t rows_stored = 0;
    };
    Health health() const;
    const StageMetrics& stages() const { return stages_; }

  private:
    using Queue = std::deque<model::UploadId>;
    bool is_marked_cancelled(const model::UploadId& id) const;
    static void push_once(Queue& queue, const model::UploadId& id);
    static void push_first(Queue& queue, const model::UploadId& id);
    std::optional<model::UploadId> take(Queue& queue, const std::stop_token& stop);
    void run_publisher(const std::stop_token& stop);
    void run_sink(const std::stop_token& stop);
    bool bring_up(const std::stop_token& stop);
    void retry_publishing(const model::UploadId& id, const Error& error,
                          const std::stop_token& stop);
    void publish_next(const model::UploadId& id, const std::stop_token& stop);
    publish::TakeRows offer_to_sink(const uploads::Upload& upload);
    Result<std::vector<uploads::Warning>> overlaps_of_dry_run(
        const uploads::Upload& upload, std::span<const model::GameHour> game_hours) const;
    void store_next(const model::UploadId& id, const std::stop_token& stop);
    void finish_on_board(const model::UploadId& id, sink::Outcome outcome);
    Result<uploads::Upload> cancel_storing(const model::UploadId& id);
    Result<void> republish(const model::UploadId& id);
    Result<uploads::Upload> find(const model::UploadId& id) const;

    Context context_;
    sink::Sink sink_;
    StageMetrics stages_;
    mutable std::mutex mutex_;  // guards all below
    std::condition_variable_any changed_;
    Queue to_publish_;
    Queue to_store_;
    // Rows of these went into ClickHouse ahead, and were not published.
    Queue to_discard_;
    std::optional<model::UploadId> ahead_;  // its rows go into ClickHouse while it is judged
    bool sink_is_idle_ = false;
    // Why these could not be published; until they are, or are gone.
    std::map<model::UploadId, Error> publish_errors_;
    std::optional<model::UploadId> storing_;
    std::set<model::UploadId> cancelled_while_storing_;
    Health health_;
    unsigned workers_ = 0;
    std::jthread publisher_thread_;
    std::jthread sink_thread_;
};

}  // namespace rh::app
