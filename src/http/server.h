// The HTTP server: listener, sessions, worker threads. Boost.Beast parses; http/header_gate.cc
// looks at the raw head before it, since Beast lets request smuggling through. One object a
// process; start() returns when it listens, stop() drains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/router.h"

namespace rh::http {

struct ServerOptions {
    std::string address = "127.0.0.1";
    uint16_t port = 8080;          // 0: a free one
    unsigned worker_threads = 32;  // handlers running at once; more requests wait
    unsigned connections_max = 1024;
    uint64_t body_bytes_max = 64ULL << 30;  // of a request's body as sent
    uint32_t head_bytes_max = 32 * 1024;
    uint32_t target_bytes_max = 8 * 1024;
    unsigned head_timeout_s = 15;   // first byte to the end of the head
    unsigned idle_timeout_s = 75;   // between requests of a connection
    unsigned read_timeout_s = 60;   // without any byte of a body
    unsigned write_timeout_s = 60;  // without any byte taken by the client
};

// Says who may: the scopes of a bearer key. Errors: unauthorized invalid_key / missing_key.
struct Principal {
    std::string key_name;
    std::vector<Scope> scopes;  // admin implies all
};
using Authenticator = std::function<Result<Principal>(std::string_view authorization_header)>;
// Called after each answer, for metrics: the route's pattern, method, status, seconds, bytes in and
// out.
struct Observation {
    std::string_view method, route;
    int status;
    double seconds;
    uint64_t bytes_in, bytes_out;
};
using Observer = std::function<void(const Observation&)>;

class Server {
  public:
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Router router,
                                                 Authenticator authenticate, Observer observe);
    ~Server();
    uint16_t port() const;
    // Stops accepting, lets running handlers end (at most `drain_s`), then closes what is left.
    void stop(unsigned drain_s);

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::http
