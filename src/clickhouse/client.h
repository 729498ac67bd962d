// The one way to ClickHouse: its HTTP interface. SQL with typed parameters only ({name:Type}),
// never text glued into SQL. An answer of status 200 can carry an exception in its body: it is
// looked for, and becomes an Error. Any thread; connections are pooled.
//
// Errors: unavailable clickhouse_unavailable (retry) when the server cannot be reached, breaks the
// connection (both of a shard: shard_unavailable, and every message names it) or is overloaded;
// unavailable clickhouse_query_limit when a limit of time, memory or rows of the user is reached;
// storage_full; else internal clickhouse_error, the message with ClickHouse's number and text
// ("Code: 60. Unknown table …").
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clickhouse/endpoint.h"

namespace rh::clickhouse {

// name → value as plain text (strings as they are, numbers in decimal, arrays by array_parameter);
// the client escapes them.
using Parameters = std::vector<std::pair<std::string, std::string>>;
// Settings go with one statement; `database` among them replaces the endpoint's.

// Bytes of an answer, as they come. next() gives an empty view at the true end; an exception in the
// body, or a body that is cut, is an Error.
class ResponseStream {
  public:
    virtual ~ResponseStream() = default;
    virtual Result<std::string_view> next() = 0;
};

inline constexpr int kAnswerTimeoutMs = 600'000;  // a statement may work long before its first byte

class Client {
  public:
    explicit Client(Endpoint endpoint, int answer_timeout_ms = kAnswerTimeoutMs);
    ~Client();
    Client(Client&&) noexcept;

    // The whole answer as text (small answers: bounded at 64 MiB). ClickHouse finishes the
    // statement before it answers, so a failure has no half answer.
    Result<std::string> query(std::string_view sql, const Parameters& parameters = {},
                              const Settings& settings = {}) const;
    // The answer piece by piece, for answers of any size. The Client may end before the stream.
    Result<std::unique_ptr<ResponseStream>> stream(std::string_view sql,
                                                   const Parameters& parameters = {},
                                                   const Settings& settings = {}) const;
    // INSERT … FORMAT …: `sql` goes into the URL, `body` is the data, sent as it is and answered
    // when ClickHouse has it. For blocks of native_block.h give insert_settings().
    Result<void> insert(std::string_view sql, std::span<const std::string_view> body,
                        const Parameters& parameters = {}, const Settings& settings = {}) const;
    // The same with a body that is pulled and sent as it comes: each call gives the next bytes,
    // valid until the next call; an empty view ends it, an Error breaks the connection and is
    // returned.
    Result<void> insert(std::string_view sql,
                        const std::function<Result<std::string_view>()>& next_body,
                        const Parameters& parameters = {}, const Settings& settings = {}) const;
    // Ends every statement that runs, and every later one, with the error of a server that does not
    // answer.
    void abort() const;
    Result<void> ping() const;  // the server answers; says nothing about users and tables
    const Endpoint& endpoint() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The text of a parameter of type Array(String) ("['a','it''s']") or of an array of integers.
std::string array_parameter(std::span<const std::string> elements);
std::string array_parameter(std::span<const int64_t> elements);

}  // namespace rh::clickhouse
