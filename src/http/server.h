// The HTTP server: listener, connections, worker threads. Request heads are waited for
// asynchronously on one thread (Asio), pass http/header_gate.h, and only then cost a worker thread,
// which runs the handler as a plain blocking function. HTTP/1.1 and 1.0, no TLS: a proxy in front
// does that. One object a process; start() returns when it listens, stop() drains.
//
//   accept ─▶ idle/head (async, deadlines) ─▶ gate ─▶ worker: route, key, query, handler, answer
//               ▲                                        │
//               └───────────── keep-alive ───────────────┴─▶ linger (so the answer arrives), close
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/router.h"

namespace rh::http {

struct ServerOptions {
    std::string address = "127.0.0.1";      // an IP address, or localhost
    uint16_t port = 8080;                   // 0: a free one
    unsigned worker_threads = 64;           // handlers running at once; started when needed
    unsigned queue_max = 256;               // complete requests that wait for a worker; then 503
    unsigned connections_max = 1024;        // then 503
    uint64_t body_bytes_max = 64ULL << 30;  // of a request's body as sent
    uint32_t head_bytes_max = 32 * 1024;
    uint32_t target_bytes_max = 8 * 1024;
    unsigned head_timeout_s = 15;   // first byte to the end of the head
    unsigned idle_timeout_s = 75;   // between requests of a connection
    unsigned read_timeout_s = 60;   // without any byte of a body
    unsigned write_timeout_s = 60;  // without any byte taken by the client
    // A body, or an answer, that waits for the client longer than its time-out in all must have
    // moved at least this much in a second of waiting.
    uint64_t bytes_per_second_min = 512;
    // Refuse a Host that is no loopback name or address: without keys a web page could otherwise
    // reach the server under a name of its own (DNS rebinding). Asked for when it matters, since
    // keys come and go; must be true when there are none.
    std::function<bool()> loopback_hosts_only = [] { return false; };
    std::vector<std::string> cors_origins;  // whose pages may call the API: http/cors.h
};

// Says who may: the scopes of a bearer key. Errors: unauthorized invalid_key / missing_key.
struct Principal {
    std::string key_id;         // its own for ever; empty without keys
    std::string key_name;       // for people: several keys may have it
    std::vector<Scope> scopes;  // admin implies all
};
using Authenticator = std::function<Result<Principal>(std::string_view authorization_header)>;
// Called after each answer, on its worker thread, for metrics: the route's pattern ("" if none
// matched), method, status, seconds from the complete head to the end of the answer, bytes of the
// bodies in and of the answer out.
struct Observation {
    std::string_view method, route;
    int status;
    double seconds;
    uint64_t bytes_in, bytes_out;
};
using Observer = std::function<void(const Observation&)>;

class Server {
  public:
    // Errors: invalid_request bad_listen_address, conflict address_in_use, forbidden
    // address_refused.
    static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Router router,
                                                 Authenticator authenticate, Observer observe);
    ~Server();  // stop(0)
    uint16_t port() const;
    // Stops accepting, lets running handlers end (at most `drain_s`), then closes what is left and
    // waits for the handlers. A handler that waits for something else must look at
    // Exchange::stopping(). Again: does nothing.
    void stop(unsigned drain_s);

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::http
