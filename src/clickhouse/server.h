// The embedded ClickHouse server: this binary started once more as a child (`roundhouse clickhouse
// server …`, clickhouse/engine.h), which loads libchdb. The child is forked from a thread that
// lives as long as the Server (PR_SET_PDEATHSIG follows that thread), is restarted when it dies,
// and ends with the Server. It listens on 127.0.0.1 only, and its ports and passwords stay the same
// over restarts, so an Endpoint is good for as long as the Server lives.
//
//   start ──▶ starting ──answers──▶ up ──child dies──▶ waiting (0.1 s … 5 s) ──▶ starting
//                 └─cannot─▶ start() fails             ~Server from any ──▶ SIGTERM ──▶ gone
//
// DIR holds data/ (ClickHouse's), config/, log/, and with mode 0600 `credentials` (made once) and
// connection.json (while it runs: {"url","tcp_port","database","pid","owner":{"user","password"},
// "reader":{…}}; what `roundhouse clickhouse info` prints).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

struct ServerOptions {
    std::string directory = {};     // absolute
    std::string program = {};       // a binary that has `clickhouse server`; empty: this one
    std::string libchdb = {};       // path of libchdb.so; empty: as clickhouse/engine.h finds it
    uint64_t memory_bytes_max = 0;  // 0: half of the machine's
    uint16_t http_port = 0;         // 0: a free one
    uint16_t tcp_port = 0;
};

class Server {
  public:
    // Starts the child and waits until it answers (up to 5 minutes: it may have many parts to
    // load). unavailable clickhouse_not_started, with what the child said last, if it does not.
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options);
    ~Server();    // stop()
    void stop();  // ends the child (SIGTERM, 8 s, SIGKILL) and starts none again

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
