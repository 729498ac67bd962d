// The embedded ClickHouse server: this binary started once more as a child (`roundhouse clickhouse
// server …`), which loads libchdb. The child is forked from a thread that lives as long as the
// Server (PR_SET_PDEATHSIG follows that thread), is restarted when it dies, and ends with the
// Server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

struct ServerOptions {
    std::string directory;          // absolute; holds data, configuration, credentials and the log
    std::string program;            // this binary (/proc/self/exe)
    std::string libchdb;            // path of libchdb.so; empty: beside the binary, ../lib
    uint64_t memory_bytes_max = 0;  // 0: a share of the machine's
    uint16_t http_port = 0;         // 0: a free one
    uint16_t tcp_port = 0;
};

class Server {
  public:
    // Starts the child and waits until it answers (up to 30 s). The state file DIR/connection.json
    // (mode 0600: url, users, passwords, database) is what `roundhouse clickhouse info` prints.
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options);
    ~Server();  // SIGTERM, 8 s, SIGKILL

    Endpoint owner() const;  // may write and change tables
    Endpoint reader()
        const;           // readonly, with limits of time, memory and rows; for queries of users
    bool is_up() const;  // answers now
    uint64_t restarts() const;
    int pid() const;                     // of the child now running
    std::string data_directory() const;  // for syncfs

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::clickhouse
