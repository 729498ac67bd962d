// Where the rows are kept, in one or more shards, each of which is one ClickHouse: the supervised
// child (server.h), which is the only shard then, or the servers of a cluster, one a shard. A row
// lies on the shard of its partition of the log, in that server's own tables; `uploads` has all its
// rows on every shard. Who counts or changes something asks every shard itself, which is exact and
// knows which one does not answer; who reads ordered rows of all of them asks one server for the
// Distributed tables (queries/cluster/). Any thread.
//
// Errors are the client's. Where there is more than the child, one that is due to a shard that does
// not answer is unavailable shard_unavailable (retry), and its message names the shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/without_exceptions.h"
#include "clickhouse/client.h"
#include "clickhouse/consumer_tables.h"
#include "clickhouse/server.h"
#include "clickhouse/table_engines.h"

namespace rh::clickhouse {

class Store {
  public:
    // Returns while the child is starting. Errors: as Server::start().
    static Result<std::unique_ptr<Store>> embed(const ServerOptions& options);
    // At least one shard, as parse_shards() gives them; `cluster` is what the servers call the
    // cluster in their remote_servers; `consumes` what they are to read from Kafka themselves;
    // `engines` those of the tables. Asks nothing yet.
    static std::unique_ptr<Store> connect(std::vector<Endpoint> shards, std::string cluster,
                                          std::optional<KafkaSource> consumes = {},
                                          Engines engines = Engines::plain);

    // Brings all shards to where they can be migrated. Waits for the child, as
    // Server::wait_until_up(); of a cluster it only looks, and says which shard does not answer.
    Result<void> wait_until_up(const std::stop_token& stop) const;
    // queries/ on every shard; of a cluster also queries/cluster/, and of one that consumes
    // queries/consumer/. Errors: conflict wrong_cluster, other_consumer, wrong_profile,
    // other_engines, no_replication; unavailable replica_read_only (retry); and the client's.
    Result<void> migrate() const;
    // Whether the servers read the topic of rows themselves; no view makes the rollups then
    // (sink/rollups.h).
    bool consumes() const { return consumes_.has_value(); }
    // What was inserted stays, whatever happens to the machine: syncs the child's directory. The
    // tables of a cluster sync each insert themselves.
    Result<void> make_durable() const;
    // Every statement ends here, also one that a server hangs in, and every later one, with the
    // error of a server that does not answer.
    void abort() const;
    // Ends the child, and starts none again; of a cluster abort().
    void stop();

    bool is_cluster() const { return server_ == nullptr; }
    size_t shards() const { return shards_.size(); }
    // "shard 2 (host:port)"; empty of the child.
    const std::string& name(size_t shard) const;
    std::string address(size_t shard) const { return address_of(owner(shard).endpoint()); }
    // May write and change everything.
    const Client& owner(size_t shard) const { return shards_[shard].owner; }
    // The shard on which rows of this partition of the log lie.
    const Client& owner_of(uint32_t partition) const { return owner(partition % shards()); }
    // May only read, with limits of time, memory and rows.
    const Client& reader(size_t shard) const { return shards_[shard].reader; }

    // The name of a table that has the rows of all shards.
    std::string all(std::string_view table) const;
    // A query of such tables, by the owner or the reader. Asks another server if one does not
    // answer.
    enum class User : uint8_t { owner, reader };
    Result<std::string> query(std::string_view sql, const Parameters& parameters = {},
                              const Settings& settings = {}, User user = User::owner) const;
    Result<std::unique_ptr<ResponseStream>> stream(std::string_view sql,
                                                   const Parameters& parameters = {},
                                                   const Settings& settings = {},
                                                   User user = User::owner) const;

    // Calls work(shard), which returns a Result, for every shard at once; the results in the order
    // of the shards.
    template <class Work>
    std::vector<std::invoke_result_t<Work, size_t>> on_every_shard(Work work) const;
    // The same for a Result<void>: the first error, when all have ended.
    Result<void> do_on_every_shard(const std::function<Result<void>(size_t)>& work) const;

    // Which shards do not answer now.
    std::vector<size_t> missing() const;
    // Names all that do not answer now, with the first one's reason: error unavailable
    // shard_unavailable, or of the child clickhouse_unavailable.
    Result<void> check() const;
    bool is_up() const { return missing().empty(); }
    uint64_t restarts() const;  // of the child

  private:
    struct Shard {
        Client owner;
        Client reader;
    };
    Store(std::unique_ptr<Server> server, std::string cluster, std::optional<KafkaSource> consumes,
          Engines engines);
    const Client& client(size_t shard, User user) const {
        return user == User::owner ? owner(shard) : reader(shard);
    }
    template <class Ask>
    auto ask_any(Ask ask) const -> std::invoke_result_t<Ask, size_t>;
    Error blamed(Error error) const;
    class BlamingStream;

    const std::unique_ptr<Server> server_;  // of a cluster: none
    const std::string cluster_;
    const std::optional<KafkaSource> consumes_;
    const Engines engines_;
    std::vector<Shard> shards_;
};

template <class Work>
std::vector<std::invoke_result_t<Work, size_t>> Store::on_every_shard(Work work) const {
    std::vector<std::invoke_result_t<Work, size_t>> results(shards());
    const auto run = [&](size_t shard) {
        results[shard] = without_exceptions([&] { return work(shard); });
    };
    std::vector<std::jthread> threads;
    for (size_t shard = 1; shard < shards(); ++shard) {
        threads.emplace_back(run, shard);
    }
    run(0);
    threads.clear();  // joins them
    return results;
}

}  // namespace rh::clickhouse
