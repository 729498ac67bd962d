// The one way to ClickHouse: its HTTP interface. SQL with typed parameters only ({name:Type}),
// never text glued into SQL. An answer of status 200 can carry an exception in its body: it is
// looked for, and becomes an Error. Any thread; connections are pooled.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rh::clickhouse {

struct Endpoint {
    std::string host = "127.0.0.1";
    uint16_t port = 0;
    bool tls = false;
    std::string user;
    std::string password;
    std::string database = "roundhouse";
};

using Parameters =
    std::vector<std::pair<std::string, std::string>>;  // name → value, escaped by the client
using Settings = std::vector<std::pair<std::string, std::string>>;

// Bytes of an answer, as they come. next() gives an empty view at the true end; an exception in the
// body, or a body that is cut, is an Error (kind internal clickhouse_error, or unavailable
// clickhouse_unavailable).
class ResponseStream {
  public:
    virtual ~ResponseStream() = default;
    virtual Result<std::string_view> next() = 0;
};

class Client {
  public:
    explicit Client(Endpoint endpoint);
    ~Client();
    Client(Client&&) noexcept;

    // The whole answer as text (small answers: bounded at 64 MiB).
    Result<std::string> query(std::string_view sql, const Parameters& parameters = {},
                              const Settings& settings = {}) const;
    // The answer piece by piece, for answers of any size.
    Result<std::unique_ptr<ResponseStream>> stream(std::string_view sql,
                                                   const Parameters& parameters = {},
                                                   const Settings& settings = {}) const;
    // INSERT … FORMAT …: `sql` goes into the URL, `body` is the data, sent as it is and answered
    // when ClickHouse has it. Settings are those the sink needs (async_insert=0, …) if given.
    Result<void> insert(std::string_view sql, std::span<const std::string_view> body,
                        const Parameters& parameters = {}, const Settings& settings = {}) const;
    Result<void> ping() const;
    const Endpoint& endpoint() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::clickhouse
