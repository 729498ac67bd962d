#include "clickhouse/store.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/assert.h"
#include "clickhouse/migrate.h"
#include "io/file.h"

namespace rh::clickhouse {
namespace {

// What the child's reading user has in its profile (server_config.cc). The one user of a cluster's
// URLs gets it with each query.
const Settings kReaderSettings = {{"readonly", "2"},
                                  {"max_execution_time", "60"},
                                  {"max_memory_usage", "2000000000"},
                                  {"max_result_rows", "1000000"},
                                  {"result_overflow_mode", "throw"}};

// Longer than max_execution_time above: who says nothing for so long does not answer.
constexpr int kReadTimeoutMs = 70'000;

constexpr std::string_view kSilent = "shard_unavailable";

}  // namespace

// An error in the middle of an answer may be that of a shard behind the one that is asked.
class Store::BlamingStream : public ResponseStream {
  public:
    BlamingStream(const Store& store, std::unique_ptr<ResponseStream> stream)
        : store_(store), stream_(std::move(stream)) {}
    Result<std::string_view> next() override {
        auto piece = stream_->next();
        if (!piece) {
            return std::unexpected(store_.blamed(std::move(piece).error()));
        }
        return piece;
    }

  private:
    const Store& store_;
    std::unique_ptr<ResponseStream> stream_;
};

Store::Store(std::unique_ptr<Server> server, std::string cluster,
             std::optional<KafkaSource> consumes, Engines engines)
    : server_(std::move(server)),
      cluster_(std::move(cluster)),
      consumes_(std::move(consumes)),
      engines_(engines) {}

Result<std::unique_ptr<Store>> Store::embed(const ServerOptions& options) {
    RH_ASSIGN(auto server, Server::start(options));
    std::unique_ptr<Store> store(new Store(std::move(server), "", {}, Engines::plain));
    store->shards_.push_back({Client(store->server_->owner()), Client(store->server_->reader())});
    return store;
}

std::unique_ptr<Store> Store::connect(std::vector<Endpoint> shards, std::string cluster,
                                      std::optional<KafkaSource> consumes, Engines engines) {
    RH_ASSERT(!shards.empty());
    std::unique_ptr<Store> store(
        new Store(nullptr, std::move(cluster), std::move(consumes), engines));
    for (Endpoint& endpoint : shards) {
        Endpoint reading = endpoint;
        endpoint.settings = owner_settings(engines);
        reading.settings = kReaderSettings;
        const Settings& more = reader_settings(engines);
        reading.settings.insert(reading.settings.end(), more.begin(), more.end());
        store->shards_.push_back(
            {Client(std::move(endpoint)), Client(std::move(reading), kReadTimeoutMs)});
    }
    return store;
}

Result<void> Store::wait_until_up(const std::stop_token& stop) const {
    return server_ != nullptr ? server_->wait_until_up(stop) : check();
}

Result<void> Store::migrate() const {
    if (!is_cluster()) {
        return clickhouse::migrate(owner(0));
    }
    const auto consumer = consumes() ? Consumer::clickhouse : Consumer::roundhouse;
    RH_TRY(do_on_every_shard([&](size_t shard) -> Result<void> {
        RH_TRY(check_cluster(owner(shard), cluster_, shard + 1, shards()));
        RH_TRY(check_consumer(owner(shard), consumer));
        RH_TRY(check_engines(owner(shard), engines_));
        return consumes() ? check_profile(owner(shard)) : Result<void>{};
    }));
    RH_TRY(do_on_every_shard([this](size_t shard) -> Result<void> {
        RH_TRY(clickhouse::migrate(
            owner(shard),
            [this](std::string_view statement) {
                return !consumes() || !is_rollup_view(statement);
            },
            engines_));
        RH_TRY(check_replicas(owner(shard)));
        return migrate_cluster(owner(shard), cluster_);
    }));
    if (!consumes()) {
        return {};
    }
    // What one shard reads goes into the tables of all of them.
    return do_on_every_shard(
        [this](size_t shard) { return migrate_consumer(owner(shard), cluster_, *consumes_); });
}

Result<void> Store::make_durable() const {
    return server_ != nullptr ? io::sync_filesystem_of(server_->data_directory()) : Result<void>{};
}

void Store::stop() {
    if (server_ != nullptr) {
        server_->stop();
    } else {
        abort();
    }
}

void Store::abort() const {
    for (const Shard& shard : shards_) {
        shard.owner.abort();
        shard.reader.abort();
    }
}

const std::string& Store::name(size_t shard) const { return owner(shard).endpoint().shard; }

std::string Store::all(std::string_view table) const {
    return fmt::format("{}{}", table, is_cluster() ? "_all" : "");
}

// Any server answers for all shards. One that does not answer is a missing shard as well, unless it
// is only we who cannot reach it.
template <class Ask>
auto Store::ask_any(Ask ask) const -> std::invoke_result_t<Ask, size_t> {
    auto answer = ask(0);
    for (size_t shard = 1; shard < shards() && !answer && answer.error().code == kSilent; ++shard) {
        answer = ask(shard);
    }
    if (!answer) {
        return std::unexpected(blamed(std::move(answer).error()));
    }
    return answer;
}

Result<std::string> Store::query(std::string_view sql, const Parameters& parameters,
                                 const Settings& settings, User user) const {
    return ask_any(
        [&](size_t shard) { return client(shard, user).query(sql, parameters, settings); });
}

Result<std::unique_ptr<ResponseStream>> Store::stream(std::string_view sql,
                                                      const Parameters& parameters,
                                                      const Settings& settings, User user) const {
    RH_ASSIGN(auto stream, ask_any([&](size_t shard) {
                  return client(shard, user).stream(sql, parameters, settings);
              }));
    if (!is_cluster()) {
        return stream;
    }
    return std::make_unique<BlamingStream>(*this, std::move(stream));
}

// A server that cannot reach another one says so in words of its own, with addresses that nobody
// here has configured: whom we cannot reach either is named in their place.
Error Store::blamed(Error error) const {
    if (!is_cluster() || (error.code != kSilent && error.code != "clickhouse_unavailable")) {
        return error;
    }
    if (auto answered = check(); !answered) {
        return std::move(answered).error();
    }
    return error;
}

Result<void> Store::do_on_every_shard(const std::function<Result<void>(size_t)>& work) const {
    for (const auto& done : on_every_shard(work)) {
        RH_TRY(done);
    }
    return {};
}

std::vector<size_t> Store::missing() const {
    if (server_ != nullptr) {
        return server_->is_up() ? std::vector<size_t>{} : std::vector<size_t>{0};
    }
    const auto answers = on_every_shard([this](size_t shard) { return owner(shard).ping(); });
    std::vector<size_t> missing;
    for (size_t shard = 0; shard < answers.size(); ++shard) {
        if (!answers[shard]) {
            missing.push_back(shard);
        }
    }
    return missing;
}

Result<void> Store::check() const {
    if (server_ != nullptr) {
        return server_->is_up() ? Result<void>()
                                : fail(ErrorKind::unavailable, "clickhouse_unavailable",
                                       "The ClickHouse child does not answer. It is started again "
                                       "when it has ended, or after clickhouse.hung_after_s of "
                                       "silence if that is not 0.",
                                       Verdict::retry);
    }
    const auto answers = on_every_shard([this](size_t shard) { return owner(shard).ping(); });
    std::vector<std::string> names;
    std::string reason;  // of the first one
    for (size_t shard = 0; shard < answers.size(); ++shard) {
        if (answers[shard]) {
            continue;
        }
        names.push_back(name(shard));
        if (reason.empty()) {
            reason = answers[shard].error().message;
            const std::string known = fmt::format("ClickHouse's {} does not answer. ", names[0]);
            reason.erase(0, reason.starts_with(known) ? known.size() : 0);
        }
    }
    if (names.empty()) {
        return {};
    }
    return fail(ErrorKind::unavailable, std::string(kSilent),
                fmt::format("ClickHouse's {} {} not answer. {}", fmt::join(names, " and "),
                            names.size() == 1 ? "does" : "do", reason),
                Verdict::retry);
}

uint64_t Store::restarts() const { return server_ != nullptr ? server_->restarts() : 0; }

}  // namespace rh::clickhouse
