#include "app/service.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "api/aggregates.h"
#include "api/contract.h"
#include "api/health.h"
#include "api/home.h"
#include "api/idempotency.h"
#include "api/reconciliations.h"
#include "api/uploads.h"
#include "app/auditor.h"
#include "app/bring_up.h"
#include "app/kafka_parts.h"
#include "app/metrics.h"
#include "app/pipeline.h"
#include "app/status.h"
#include "auth/keys.h"
#include "base/log.h"
#include "base/sleep.h"
#include "clickhouse/store.h"
#include "http/server.h"
#include "io/file.h"
#include "kafka/client.h"
#include "log/embedded_log.h"
#include "publish/publisher.h"
#include "receive/receiver.h"
#include "reconcile/reconciler.h"
#include "sink/lost_uploads.h"
#include "sink/versions.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"
#include "uploads/progress.h"

namespace rh::app {
namespace {

// Batches wander between threads, and each of malloc's arenas keeps those that were freed in it:
// two arenas have 74 MB at the peak of an upload, any number of them 92. Giving columns back at
// once (M_MMAP_THRESHOLD) needs 55, but a third more processor time, for the page faults.
constexpr int kMallocArenasMax = 2;

// After drain_s: whoever still waits for an answer of ClickHouse or Kafka would wait as long as it
// hangs.
constexpr int64_t kHungMs = 1'000;
// With drain_s (5), kHungMs, what the last answers (1) and ClickHouse (5) get: 14 s, of 15.
constexpr auto kWorkersEnd = std::chrono::seconds(2);

// A log without a ledger is no crash's work: the ledger learns of every upload before the log does,
// and forgets it later. Going on would take all of it for rubbish and remove it.
Result<void> check_ledger_is_there(const std::string& data) {
    const std::string ledger = uploads::Layout::ledger_path(data);
    if (io::exists(ledger) || !io::exists(data + "/log")) {
        return {};
    }
    RH_ASSIGN(const auto names, io::list_directory(data + "/log"));
    if (names.empty()) {
        return {};
    }
    return fail(ErrorKind::conflict, "ledger_missing",
                fmt::format("{} is gone, but {}/log has uploads. Restore it from a backup; without "
                            "it nobody knows which of them count.",
                            ledger, data));
}

// Versions are numbered by the ledger or by Kafka, and a directory that has uploads cannot change
// from one to the other.
Result<void> check_log_is_the_same(const Config& config, const std::string& data,
                                   const uploads::Ledger& ledger) {
    RH_ASSIGN(const auto counts, ledger.count_by_state());
    const bool has_uploads = std::ranges::any_of(counts, [](uint64_t n) { return n > 0; });
    const bool was_kafka = KafkaParts::was_used(data);
    if (was_kafka == (config.log == "kafka")) {
        return {};
    }
    if (!has_uploads) {
        return was_kafka ? KafkaParts::forget(data) : Result<void>();
    }
    return fail(ErrorKind::conflict, "other_log",
                fmt::format("The uploads in {} are in {}. Start with --log={}, or begin another "
                            "data directory.",
                            data, was_kafka ? "Kafka" : "the embedded log",
                            was_kafka ? "kafka" : "embedded"));
}

// Signals are taken by sigwait on the main thread; every thread started after this has them
// blocked.
sigset_t block_ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

void wait_for_ending_signal(const sigset_t& signals, const BringUp& bring_up,
                            const std::function<void()>& announce) {
    constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 5'000'000};
    constexpr timespec kLong{.tv_sec = 3600, .tv_nsec = 0};
    bool announced = false;
    int signal = -1;
    while (signal < 0) {
        if (!announced && bring_up.stage() == BringUp::Stage::ready) {
            announce();
            announced = true;
        }
        signal = sigtimedwait(&signals, nullptr, announced ? &kLong : &kPoll);
    }
    log_event(LogLevel::info, "stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
}

// What ends the server from another thread than the main one, which waits for a signal.
class Fatal {
  public:
    void raise(const Error& error) {
        log_event(LogLevel::error, "the server cannot go on",
                  {{"code", error.code}, {"detail", error.message}});
        {
            const std::scoped_lock lock(mutex_);
            error_ = error;
        }
        ::kill(::getpid(), SIGTERM);
    }
    Result<void> check() const {
        const std::scoped_lock lock(mutex_);
        return error_ ? Result<void>(std::unexpected(*error_)) : Result<void>();
    }

  private:
    mutable std::mutex mutex_;
    std::optional<Error> error_;  // guarded by mutex_
};

receive::Limits receive_limits(const Config& config) {
    receive::Limits limits;
    limits.body_bytes_max = config.upload_body_bytes_max;
    limits.unpacked_bytes_max = config.upload_unpacked_bytes_max;
    limits.ratio_max = config.upload_decompression_ratio_max;
    limits.free_bytes_min = config.upload_free_disk_bytes_min;
    limits.receives_max = static_cast<unsigned>(config.upload_simultaneous_max);
    return limits;
}

http::ServerOptions http_options(const Config& config, auth::KeyRing& keys) {
    http::ServerOptions options;
    options.address = config.listen_address();
    options.port = config.listen_port();
    options.worker_threads = static_cast<unsigned>(config.http_workers);
    options.connections_max = static_cast<unsigned>(config.http_connections_max);
    options.body_bytes_max = config.upload_body_bytes_max;
    options.head_bytes_max = static_cast<uint32_t>(config.http_head_bytes_max);
    options.target_bytes_max = static_cast<uint32_t>(config.http_target_bytes_max);
    options.head_timeout_s = static_cast<unsigned>(config.http_head_timeout_s);
    options.idle_timeout_s = static_cast<unsigned>(config.http_idle_timeout_s);
    options.read_timeout_s = static_cast<unsigned>(config.http_read_timeout_s);
    options.write_timeout_s = static_cast<unsigned>(config.http_write_timeout_s);
    options.loopback_hosts_only = [&keys] { return !keys.has_keys(); };
    options.cors_origins = config.cors_origins();
    return options;
}

// Without keys everybody who reaches the port may do everything, so it must be this machine only.
Result<void> check_exposure(const Config& config, bool has_keys) {
    if (has_keys || auth::is_loopback(config.listen_address())) {
        return {};
    }
    return fail(
        ErrorKind::invalid_request, "keys_needed",
        fmt::format("Without API keys the server listens on loopback only, and {} is not. Create a "
                    "key first: roundhouse keys create --data {} --scope admin --name NAME; or let "
                    "--keys-first-file FILE make one.",
                    config.listen, config.data));
}

reconcile::ReconcilerOptions reconciler_options(const Config& config, const std::string& data) {
    reconcile::ReconcilerOptions options;
    options.directory = data + "/reconciliations";
    options.program = "/proc/self/exe";
    options.libchdb = config.clickhouse_libchdb;
    options.limits.ratio_max = config.upload_decompression_ratio_max;
    options.limits.free_bytes_min = config.upload_free_disk_bytes_min;
    options.simultaneous_max = static_cast<unsigned>(config.reconcile_simultaneous_max);
    return options;
}

Result<std::unique_ptr<clickhouse::Store>> open_store(const Config& config,
                                                      const std::string& data) {
    RH_ASSIGN(auto shards, config.shards());
    if (!shards.empty()) {
        return clickhouse::Store::connect(std::move(shards), config.clickhouse_cluster,
                                          config.consumed_by_clickhouse(), config.engines());
    }
    clickhouse::ServerOptions options;
    options.directory = data + "/clickhouse";
    options.libchdb = config.clickhouse_libchdb;
    options.memory_bytes_max = config.clickhouse_memory_bytes_max;
    options.hung_after_s = config.clickhouse_hung_after_s;
    options.http_port = static_cast<uint16_t>(config.clickhouse_http_port);
    options.tcp_port = static_cast<uint16_t>(config.clickhouse_tcp_port);
    return clickhouse::Store::embed(options);
}

void announce(const Config& config, uint16_t port, bool has_keys) {
    const std::string address = config.listen_address();
    const bool v6 = address.find(':') != std::string::npos;
    // Standard output, and flushed: a script that started the server reads it to know when and
    // where.
    std::printf("listening on http://%s%s%s:%u\n", v6 ? "[" : "", address.c_str(), v6 ? "]" : "",
                port);
    std::fflush(stdout);
    if (!has_keys) {
        log_event(
            LogLevel::info,
            "there are no API keys: everybody on this machine may do everything, and the server "
            "listens on loopback only");
    }
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): every part in its order, and nothing else
Result<void> serve(const Config& config) {
    mallopt(M_ARENA_MAX, kMallocArenasMax);
    RH_TRY(config.check_choices());
    const sigset_t signals = block_ending_signals();
    std::error_code ignored;
    const std::string data =
        std::filesystem::absolute(config.data, ignored).lexically_normal().string();

    RH_TRY(io::make_directories(data));
    RH_ASSIGN(const io::LockFile lock, io::LockFile::acquire(data + "/lock"));
    if (!config.keys_first_file.empty()) {
        RH_TRY(auth::KeyFile(data).ensure_first(config.keys_first_file));
    }
    RH_ASSIGN(const auto keys, auth::KeyRing::open(data));
    RH_TRY(check_exposure(config, keys->has_keys()));
    RH_TRY(check_ledger_is_there(data));
    RH_ASSIGN(const auto layout, uploads::Layout::open(data));
    RH_ASSIGN(const auto ledger, uploads::Ledger::open(uploads::Layout::ledger_path(data)));
    RH_TRY(layout->remove_unknown(*ledger));
    RH_ASSIGN(auto embedded, log::EmbeddedLog::open(data + "/log", config.avro_deflate));

    RH_ASSIGN(const auto store, open_store(config, data));

    uploads::ProgressBoard board;
    receive::Receiver receiver(*layout, *ledger, board, receive_limits(config));
    RH_TRY(check_log_is_the_same(config, data, *ledger));
    std::unique_ptr<KafkaParts> kafka;  // none: the log is the embedded one
    if (config.log == "kafka") {
        RH_ASSIGN(kafka, KafkaParts::open(config, data, embedded, *store, *ledger, *layout));
    }
    log::Log& log = kafka ? static_cast<log::Log&>(kafka->log()) : embedded;
    publish::Publisher publisher(*layout, *ledger, board, log, config.upload_free_disk_bytes_min);
    RH_TRY(publisher.remove_orphans());
    sink::LedgerVersions ledger_versions(*store, *ledger);
    sink::Versions& versions =
        kafka ? static_cast<sink::Versions&>(kafka->versions()) : ledger_versions;
    sink::LostUploads lost(*store, *ledger);
    Auditor auditor(*store, *ledger, *layout, versions, lost, config.audit_interval_s,
                    kafka ? [&](const auto& id) { return kafka->is_foreign(id); }
                          : std::function<Result<bool>(const model::UploadId&)>());
    RH_ASSIGN(const auto reconciler, reconcile::Reconciler::start(reconciler_options(config, data),
                                                                  *store, *ledger, *layout));
    RH_ASSIGN(const auto idempotency, api::IdempotencyStore::open(data));
    Fatal fatal;
    BringUp bring_up(
        *store, versions, lost,
        kafka ? BringUp::Remote{[&] { return kafka->log().connect(); }, kafka::connection_trouble}
              : BringUp::Remote{},
        [&] {
            auditor.begin();
            reconciler->begin();
            if (kafka) {
                kafka->consumer().begin();
            }
        });
    Pipeline pipeline(
        Pipeline::Context{.layout = *layout,
                          .ledger = *ledger,
                          .board = board,
                          .log = log,
                          .publisher = publisher,
                          .versions = versions,
                          .bring_up = bring_up,
                          .store = *store,
                          .peers = kafka.get(),
                          .on_fatal = [&](const Error& error) { fatal.raise(error); },
                          .on_not_stored = [&](const auto& id) { auditor.sweep_soon(id); }});
    RH_TRY(pipeline.start());

    RequestMetrics requests;
    Status status(StatusContext{.store = *store,
                                .bring_up = bring_up,
                                .ledger = *ledger,
                                .layout = *layout,
                                .receiver = receiver,
                                .publisher = publisher,
                                .pipeline = pipeline,
                                .auditor = auditor,
                                .lost = lost,
                                .consumer = kafka ? &kafka->consumer() : nullptr,
                                .requests = requests,
                                .free_disk_bytes_min = config.upload_free_disk_bytes_min});
    http::Router router;
    api::add_upload_routes(router, {.receiver = receiver,
                                    .layout = *layout,
                                    .ledger = *ledger,
                                    .board = board,
                                    .service = pipeline,
                                    .idempotency = *idempotency,
                                    .is_lost = [&](const auto& id) { return lost.contains(id); }});
    const auto current_version = [&](bool partial) -> Result<uint64_t> {
        RH_ASSIGN(const uint64_t version, ledger->current_version());
        // What counts up to this version is on the shards that answer, whatever is being prepared.
        if (!partial || !store->is_cluster() || version == 0) {
            RH_TRY(bring_up.check());
        }
        return version;
    };
    api::add_aggregates_routes(router, *store, current_version,
                               [&](uint64_t version) { return lost.check(version); });
    api::add_reconciliation_routes(router, *reconciler);
    api::add_health_routes(
        router, [&status] { return status.checks(); }, [&status] { return status.metrics(); },
        !auth::is_loopback(config.listen_address()));
    api::add_contract_routes(router);
    api::add_home_route(router, *ledger, [&keys] { return !keys->has_keys(); });

    RH_ASSIGN(
        const auto server,
        http::Server::start(
            http_options(config, *keys), std::move(router),
            [&keys](std::string_view header) { return keys->authenticate(header); },
            [&requests](const http::Observation& observation) { requests.observe(observation); }));
    log_event(LogLevel::info, "files are taken", {{"port", server->port()}});
    wait_for_ending_signal(signals, bring_up,
                           [&] { announce(config, server->port(), keys->has_keys()); });
    status.set_stopping();
    board.stop();  // handlers that wait for progress answer now
    {
        const std::jthread impatience([&](const std::stop_token& all_ended) {
            sleep_unless_stopped(all_ended, static_cast<int64_t>(config.drain_s) * 1'000 + kHungMs);
            if (!all_ended.stop_requested()) {
                log_event(LogLevel::warning,
                          "answers of ClickHouse and Kafka that do not come are given up");
                reconciler->request_stop();
                if (kafka) {
                    kafka->request_stop();
                }
                store->abort();
            }
        });
        server->stop(static_cast<unsigned>(config.drain_s));
        reconciler->stop();
    }
    auditor.request_stop();
    pipeline.request_stop();
    if (kafka) {
        kafka->request_stop();
    }
    // A worker in the middle of a statement is waited for, but not if ClickHouse hangs: once the
    // engine is gone the statement fails, and the next start goes on. Before it is ready it does
    // nothing that is worth the wait.
    if (bring_up.stage() == BringUp::Stage::ready && !pipeline.has_ended_within(kWorkersEnd)) {
        log_event(LogLevel::warning, "ClickHouse does not answer and is ended before its time");
    }
    store->stop();
    pipeline.stop();
    log_event(LogLevel::info, "stopped");
    return fatal.check();
}

}  // namespace rh::app
