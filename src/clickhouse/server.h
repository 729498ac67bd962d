// The embedded ClickHouse server: this binary started once more as a child (`roundhouse clickhouse
// server …`, clickhouse/engine.h), which loads libchdb. The child is forked from a thread that
// lives as long as the Server (PR_SET_PDEATHSIG follows that thread), is restarted when it dies,
// and ends with the Server. It listens on 127.0.0.1 only, and its ports and passwords stay the same
// over restarts, so an Endpoint is good for as long as the Server lives.
//
//   start ──▶ starting ──answers──▶ up ──child ends──▶ waiting (0.1 s … 5 s) ──▶ starting
//                 │                 └─silent for hung_after_s: killed─┘
//                 └─never answered, and never will─▶ failed      ~Server from any ──▶ gone
//
// A child that says why it cannot work and exits, before any has answered, fails the Server: no
// libchdb, the wrong one, tables that it cannot read. One that is killed is started again, and one
// that is slow (it may have many parts to load) is waited for.
//
// DIR holds data/ (ClickHouse's), config/, log/, and with mode 0600 `credentials` (made once) and
// connection.json (while it runs: {"url","tcp_port","database","pid","owner":{"user","password"},
// "reader":{…}}; what `roundhouse clickhouse info` prints).
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

struct ServerOptions {
    std::string directory = {};     // absolute
    std::string program = {};       // a binary that has `clickhouse server`; empty: this one
    std::string libchdb = {};       // path of libchdb.so; empty: as clickhouse/engine.h finds it
    uint64_t memory_bytes_max = 0;  // 0: half of the machine's
    uint64_t hung_after_s = 60;     // a child that is up and silent for so long is killed; 0: never
    uint16_t http_port = 0;         // 0: a free one
    uint16_t tcp_port = 0;
};

class Server {
  public:
    // Returns while the child is starting. internal clickhouse_not_started if there is no libchdb.
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options);
    // Returns when the child answers. internal clickhouse_not_started (or the error of the fork),
    // with what the child said last, when it never will; unavailable stopping (retry) when `stop`
    // is requested or the Server is being stopped.
    Result<void> wait_until_up(const std::stop_token& stop = {});
    ~Server();  // stop()
    // Ends the child (SIGTERM, 5 s, SIGKILL; SIGKILL at once if it has not answered yet) and starts
    // none again.
    void stop();

    Endpoint owner() const;   // may write and change the database `roundhouse`
    Endpoint reader() const;  // may only read it, with limits of time, memory and rows
    bool is_up() const;       // answers now
    uint64_t restarts() const;
    int pid() const;                     // of the child now running; 0 between two
    std::string data_directory() const;  // for syncfs

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::clickhouse
