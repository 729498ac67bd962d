// A server with a few routes, and a client that sends raw bytes: what is on the wire, for tests.
#pragma once

#include <array>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

namespace rh::http {

inline constexpr int kPatienceMs = 10'000;

// A client that sends what it is told and nothing else.
class RawClient {
  public:
    explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            bytes.remove_prefix(static_cast<size_t>(sent));
        }
    }
    void shut_write() const { ::shutdown(fd_, SHUT_WR); }
    // Until `mark` is in what was received since the last call, or the server closes.
    std::string until(std::string_view mark) {
        while (!received_.contains(mark) && more()) {
        }
        const size_t at = received_.find(mark);
        const size_t bytes = at == std::string::npos ? received_.size() : at + mark.size();
        std::string part = received_.substr(0, bytes);
        received_.erase(0, bytes);
        return part;
    }
    std::string until_closed() {
        while (more()) {
        }
        return std::exchange(received_, {});
    }
    // One answer with Content-Length.
    std::string answer() {
        std::string head = until("\r\n\r\n");
        const size_t at = head.find("Content-Length: ");
        const size_t length = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
        while (received_.size() < length && more()) {
        }
        head += received_.substr(0, length);
        received_.erase(0, length);
        return head;
    }
    // True if nothing comes within `ms`.
    bool silent(int ms) const {
        pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
        return received_.empty() && ::poll(&waiting, 1, ms) == 0;
    }

  private:
    bool more() {
        pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, kPatienceMs) <= 0) {
            ADD_FAILURE() << "nothing came for 10 s; so far: " << received_;
            return false;
        }
        std::array<char, 65536> buffer{};
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            return false;
        }
        received_.append(buffer.data(), static_cast<size_t>(got));
        return true;
    }
    int fd_;
    std::string received_;
};

inline Result<void> echo(Exchange& exchange) {
    RH_ASSIGN(std::string body, exchange.read_whole_body(1 << 20));
    return exchange.send({.content_type = "text/plain", .body = std::move(body)});
}

inline Result<void> read_all(Exchange& exchange) {
    std::array<char, 4096> buffer{};
    size_t got = 1;
    while (got > 0) {
        RH_ASSIGN(got, exchange.read_body(buffer));
    }
    return exchange.send({.body = "{}"});
}

inline Result<void> stream_three(Exchange& exchange) {
    RH_TRY(exchange.begin(200, "text/plain", {}));
    RH_TRY(exchange.write("one"));
    RH_TRY(exchange.write("two"));
    return exchange.end();
}

inline Result<void> break_in_the_middle(Exchange& exchange) {
    RH_TRY(exchange.begin(200, "text/plain", {}));
    RH_TRY(exchange.write("half"));
    return fail(ErrorKind::internal, "broken", "It broke.");
}

// Of /slow: says that it runs, and ends when it is let go.
struct Hold {
    std::latch started{1}, release{1};
};

inline Router test_router(Hold* hold = nullptr) {
    Router router;
    const auto hello = [](Exchange& exchange) {
        return exchange.send({.content_type = "text/plain",
                              .body = "hello",
                              .headers = {{"X-Injected", "a\r\nEvil: yes"}}});
    };
    router.add({"GET", "/hello", Scope::none, {"name", "tag*"}, hello});
    router.add({"GET", "/secret", Scope::read, {}, hello});
    router.add({"GET", "/things/{id}", Scope::none, {}, [](Exchange& exchange) {
                    return exchange.send({.content_type = "text/plain",
                                          .body = std::string(exchange.request().parameter("id"))});
                }});
    router.add({"POST", "/echo", Scope::none, {}, echo});
    router.add({"POST", "/read", Scope::none, {}, read_all});
    router.add({"POST", "/ignore", Scope::none, {}, hello});
    router.add({"GET", "/stream", Scope::none, {}, stream_three});
    router.add({"GET", "/sized", Scope::none, {}, [](Exchange& exchange) -> Result<void> {
                    RH_TRY(exchange.begin(200, "text/plain", {{"Content-Length", "6"}}));
                    RH_TRY(exchange.write("one"));
                    RH_TRY(exchange.write("two"));
                    return exchange.end();
                }});
    // More than the system keeps of an answer that nobody takes.
    router.add({"GET", "/large", Scope::none, {}, [](Exchange& exchange) {
                    return exchange.send({.body = std::string(16U << 20, 'x')});
                }});
    router.add({"GET", "/large-stream", Scope::none, {}, [](Exchange& exchange) -> Result<void> {
                    RH_TRY(exchange.begin(200, "text/plain", {}));
                    RH_TRY(exchange.write(std::string(16U << 20, 'x')));
                    return exchange.end();
                }});
    router.add({"GET", "/cut", Scope::none, {}, break_in_the_middle});
    router.add({"GET", "/throw", Scope::none, {}, [](Exchange&) -> Result<void> {
                    throw std::runtime_error("thrown by a test");
                }});
    router.add({"GET",
                "/slow",
                Scope::none,
                {},
                [hold](Exchange& exchange) -> Result<void> {
                    hold->started.count_down();
                    hold->release.wait();
                    return exchange.send({.body = "{}"});
                },
                true});
    return router;
}

inline Result<Principal> only_upload_key(std::string_view authorization) {
    if (authorization.empty()) {
        return fail(ErrorKind::unauthorized, "missing_key", "No key.");
    }
    if (authorization == "Bearer reader") {
        return Principal{"1", "r", {Scope::read}};
    }
    return Principal{"2", "u", {Scope::upload}};
}

inline ServerOptions test_options() {
    ServerOptions options;
    options.port = 0;
    return options;
}

inline std::unique_ptr<Server> start(const ServerOptions& options = test_options(),
                                     Hold* hold = nullptr) {
    auto server = Server::start(options, test_router(hold), only_upload_key, nullptr);
    EXPECT_TRUE(server.has_value());
    return std::move(*server);
}

inline std::string ask(const Server& server, std::string_view request) {
    RawClient client(server.port());
    client.send(request);
    return client.answer();
}

}  // namespace rh::http
