#include "sink/engine_consumer.h"

#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/trim.h"
#include "base/without_exceptions.h"

namespace rh::sink {
namespace {

constexpr auto kLook = std::chrono::milliseconds(1'000);
constexpr int64_t kLookCloselyMs = 5'000;
// Longer than a rebalance takes after a server was killed.
constexpr int64_t kStalledMs = 20'000;

// Partitions that the server reads now, and what went wrong with them lately.
constexpr std::string_view kConsumersSql =
    "SELECT sum(length(assignments.partition_id)), "
    "anyIf(substring(replaceAll(splitByString('\\n0. ', splitByString(', Stack trace', "
    "exceptions.text[-1])[1])[1], '\\n', ' '), 1, 500), "
    "exceptions.time[-1] > now() - 10) "
    "FROM system.kafka_consumers WHERE database = currentDatabase() AND table = 'staging_bets' "
    "FORMAT TSVRaw";

// As librdkafka words it.
bool is_of_one_connection(std::string_view exception) {
    return exception.contains("Connect to ") || exception.contains("Disconnected");
}

}  // namespace

EngineConsumer::EngineConsumer(EngineConsumerContext context)
    : context_(std::move(context)),
      losses_(context_.control, context_.topic),
      // What is dropped is told here as well: its uploads are published again at once.
      offsets_(context_.cluster, context_.group, context_.topic,
               [this](size_t partition, int64_t first, int64_t low) {
                   losses_.tell({{partition, {first, low}}});
               }),
      dead_letters_(context_.store, context_.cluster, context_.topic),
      forwarder_(context_.store, dead_letters_, context_.group, context_.topic),
      unknown_rows_(context_.store, context_.control),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EngineConsumer::~EngineConsumer() = default;

void EngineConsumer::begin() {
    const std::scoped_lock lock(mutex_);
    begun_ = true;
    wake_.notify_all();
}

void EngineConsumer::tend_soon() {
    const std::scoped_lock lock(mutex_);
    tend_soon_ = true;
    wake_.notify_all();
}

TopicConsumer::Health EngineConsumer::health() const {
    Health health;
    {
        const std::scoped_lock lock(mutex_);
        health = health_;
    }
    if (!health.last_error) {
        health.last_error = context_.control.trouble();
    }
    losses_.add_to(health);
    const UnknownRows::Found unknown = unknown_rows_.found();
    health.unknown_rows = unknown.rows;
    health.unknown_uploads = unknown.uploads;
    return health;
}

void EngineConsumer::run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, stop, [this] { return begun_; });
    while (!stop.stop_requested()) {
        tend_soon_ = false;
        lock.unlock();
        const auto tended = without_exceptions([&] { return context_.tend(); });
        const auto looked = without_exceptions([&] { return look(); });
        if (!tended || !looked) {
            note_error(tended ? looked.error() : tended.error());
        }
        lock.lock();
        if (tended && looked) {
            health_.last_error.reset();
        }
        wake_.wait_for(lock, stop, kLook, [this] { return tend_soon_; });
    }
}

void EngineConsumer::note_error(const Error& error) {
    const std::scoped_lock lock(mutex_);
    if (!health_.last_error || health_.last_error->code != error.code) {
        log_event(LogLevel::warning, "ClickHouse does not bring rows from Kafka as it should",
                  {{"code", error.code}, {"detail", error.message}});
    }
    health_.last_error = error;
}

Result<void> EngineConsumer::look() {
    const auto looked = look_at_servers();
    if (const int64_t now = monotonic_ms(); now - looked_closely_at_ > kLookCloselyMs) {
        RH_ASSIGN(const auto taken, look_at_topic());  // also while a server is away
        RH_TRY(looked);
        RH_TRY(look_closely(taken));
        looked_closely_at_ = now;
    }
    RH_TRY(looked);
    if (const int64_t stalled_ms = offsets_.stalled_ms(); stalled_ms > kStalledMs) {
        return fail(ErrorKind::unavailable, "clickhouse_consumer",
                    fmt::format("An upload waits for its rows, and ClickHouse has taken none from "
                                "topic {} for {} s. Do its servers reach the brokers and the "
                                "schema registry?",
                                context_.topic, stalled_ms / 1'000),
                    Verdict::retry);
    }
    return {};
}

Result<void> EngineConsumer::look_at_servers() {
    size_t partitions = 0;
    std::optional<Error> failed;
    auto answers = context_.store.on_every_shard(
        [&](size_t shard) { return context_.store.owner(shard).query(kConsumersSql); });
    for (size_t shard = 0; shard < answers.size(); ++shard) {
        RH_TRY(answers[shard]);
        const std::string_view line = *answers[shard];
        size_t here = 0;
        const auto parsed = std::from_chars(line.data(), line.data() + line.size(), here);
        partitions += here;
        const std::string_view exception = trim_blanks(
            line.substr(static_cast<size_t>(parsed.ptr - line.data())), kBlanksAndLineEnds);
        // One broker of several that a server cannot reach, while others answer, keeps nothing up;
        // if none does, no rows come, which look() sees.
        if (!exception.empty() && !is_of_one_connection(exception)) {
            failed =
                fail(ErrorKind::unavailable, "clickhouse_consumer",
                     fmt::format("{}: {}", context_.store.name(shard), exception), Verdict::retry)
                    .error();
        }
    }
    {
        const std::scoped_lock lock(mutex_);
        health_.partitions = partitions;
    }
    return failed ? Result<void>(std::unexpected(std::move(*failed))) : Result<void>{};
}

Result<void> EngineConsumer::count_dead_letters() {
    RH_ASSIGN(const uint64_t count, dead_letters_.count());
    const std::scoped_lock lock(mutex_);
    if (count > health_.dead_letters) {
        log_event(LogLevel::error, "messages of the topic are no rows, and were put aside",
                  {{"topic", context_.topic}, {"dead_letters", count}});
    }
    health_.dead_letters = count;
    return {};
}

Result<void> EngineConsumer::look_closely(const LetterForwarder::Offsets& taken) {
    RH_TRY(count_dead_letters());
    RH_TRY(forwarder_.forward(*admin_, taken));
    return unknown_rows_.look();
}

// How far the engine is; and what retention has dropped before it, which is seen only until the
// engine reads again: it begins at the first record that is left, and says nothing.
Result<LetterForwarder::Offsets> EngineConsumer::look_at_topic() {
    if (admin_ == nullptr) {
        RH_ASSIGN(admin_, kafka::Admin::create(context_.cluster));
    }
    RH_ASSIGN(const int32_t count, admin_->partition_count(context_.topic));
    RH_ASSIGN(auto taken, admin_->committed(context_.group, context_.topic, count));
    RetentionLosses::Dropped dropped;
    for (int32_t partition = 0; std::cmp_less(partition, taken.size()); ++partition) {
        const int64_t next = taken[static_cast<size_t>(partition)].value_or(0);
        RH_ASSIGN(const auto ends, admin_->watermarks(context_.topic, partition));
        if (next < ends.low) {
            dropped[static_cast<size_t>(partition)] = {next, ends.low};
        }
    }
    losses_.tell(dropped);
    losses_.look_after();
    return taken;
}

}  // namespace rh::sink
