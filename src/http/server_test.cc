// The server through raw sockets: what is on the wire, for well-formed and hostile clients.
#include "http/server.h"

#include <array>
#include <chrono>
#include <cstring>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rh::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kPatienceMs = 10'000;

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

Result<void> echo(Exchange& exchange) {
    RH_ASSIGN(std::string body, exchange.read_whole_body(1 << 20));
    return exchange.send({.content_type = "text/plain", .body = std::move(body)});
}

Result<void> stream_three(Exchange& exchange) {
    RH_TRY(exchange.begin(200, "text/plain", {}));
    RH_TRY(exchange.write("one"));
    RH_TRY(exchange.write("two"));
    return exchange.end();
}

Result<void> break_in_the_middle(Exchange& exchange) {
    RH_TRY(exchange.begin(200, "text/plain", {}));
    RH_TRY(exchange.write("half"));
    return fail(ErrorKind::internal, "broken", "It broke.");
}

// Of /slow: says that it runs, and ends when it is let go.
struct Hold {
    std::latch started{1}, release{1};
};

Router test_router(Hold* hold = nullptr) {
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
    router.add({"POST", "/ignore", Scope::none, {}, hello});
    router.add({"GET", "/stream", Scope::none, {}, stream_three});
    router.add({"GET", "/sized", Scope::none, {}, [](Exchange& exchange) -> Result<void> {
                    RH_TRY(exchange.begin(200, "text/plain", {{"Content-Length", "6"}}));
                    RH_TRY(exchange.write("one"));
                    RH_TRY(exchange.write("two"));
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

Result<Principal> only_upload_key(std::string_view authorization) {
    if (authorization.empty()) {
        return fail(ErrorKind::unauthorized, "missing_key", "No key.");
    }
    if (authorization == "Bearer reader") {
        return Principal{"r", {Scope::read}};
    }
    return Principal{"u", {Scope::upload}};
}

ServerOptions test_options() {
    ServerOptions options;
    options.port = 0;
    return options;
}

std::unique_ptr<Server> start(const ServerOptions& options = test_options(), Hold* hold = nullptr) {
    auto server = Server::start(options, test_router(hold), only_upload_key, nullptr);
    EXPECT_TRUE(server.has_value());
    return std::move(*server);
}

std::string ask(const Server& server, std::string_view request) {
    RawClient client(server.port());
    client.send(request);
    return client.answer();
}

TEST(Server, AnswersAndKeepsTheConnection) {
    const auto server = start();
    RawClient client(server->port());
    for (int i = 0; i < 3; ++i) {
        client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        const std::string answer = client.answer();
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
        EXPECT_THAT(answer, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
        EXPECT_THAT(answer, HasSubstr("\r\nDate: "));
        EXPECT_THAT(answer, HasSubstr("\r\nX-Trace-Id: "));
        EXPECT_THAT(answer, EndsWith("\r\n\r\nhello"));
    }
}

TEST(Server, HeaderValuesCannotAddLines) {
    const auto server = start();
    EXPECT_THAT(ask(*server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
                HasSubstr("X-Injected: a  Evil: yes\r\n"));
}

TEST(Server, TraceIdIsTheClients) {
    const auto server = start();
    const std::string id = "0af7651916cd43dd8448eb211c80319c";
    const std::string answer =
        ask(*server, fmt::format("GET /none HTTP/1.1\r\nHost: x\r\ntraceparent: "
                                 "00-{}-b7ad6b7169203331-01\r\n\r\n",
                                 id));
    EXPECT_THAT(answer, HasSubstr("X-Trace-Id: " + id));
    EXPECT_THAT(answer, HasSubstr(fmt::format("\"trace_id\":\"{}\"", id)));
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
    const auto server = start();
    RawClient client(server->port());
    client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        "GET /things/7 HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhi\r\n0\r\n\r\n"
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nabc"));
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\n7"));
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nhi"));
    EXPECT_THAT(client.until("0\r\n\r\n"), EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
}

TEST(Server, AnUnreadBodyIsNotTakenForTheNextRequest) {
    const auto server = start();
    RawClient client(server->port());
    const std::string smuggled = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send(
        fmt::format("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}"
                    "GET /things/next HTTP/1.1\r\nHost: x\r\n\r\n",
                    smuggled.size(), smuggled));
    EXPECT_THAT(client.answer(), EndsWith("hello"));
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nnext"));
}

TEST(Server, ALargeUnreadBodyClosesTheConnectionAfterTheAnswer) {
    const auto server = start();
    RawClient client(server->port());
    client.send("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
    client.send(std::string(300'000, 'a'));
    const std::string answer = client.until_closed();
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
    EXPECT_THAT(answer, EndsWith("hello"));
}

TEST(Server, HeadHasLengthAndNoBody) {
    const auto server = start();
    RawClient client(server->port());
    client.send(
        "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n"
        "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /things/after HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Content-Length: 5"));
    EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nafter"));
}

TEST(Server, SaysContinueOnlyWhenTheBodyIsWanted) {
    const auto server = start();
    RawClient reader(server->port());
    reader.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(reader.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    reader.send("ok");
    EXPECT_THAT(reader.answer(), EndsWith("\r\n\r\nok"));

    RawClient refused(server->port());
    refused.send(
        "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    const std::string answer = refused.until_closed();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST(Server, AFailureAfterTheFirstByteCutsTheAnswer) {
    const auto server = start();
    RawClient client(server->port());
    client.send("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.until_closed(), EndsWith("4\r\nhalf\r\n"));
}

TEST(Server, AStreamOfKnownLengthIsNotChunked) {
    const auto server = start();
    RawClient client(server->port());
    client.send("HEAD /sized HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Content-Length: 6"));
    client.send("GET /sized HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nonetwo"));
    client.send("GET /sized HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nonetwo"));
    client.send("GET /things/kept HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nkept"));
}

TEST(Server, WhatAHandlerThrowsIsA500) {
    const auto server = start();
    EXPECT_THAT(ask(*server, "GET /throw HTTP/1.1\r\nHost: x\r\n\r\n"),
                HasSubstr("\"code\":\"internal_error\""));
}

TEST(Server, Http10ClosesAndIsNeverChunked) {
    const auto server = start();
    RawClient client(server->port());
    client.send("GET /stream HTTP/1.0\r\n\r\n");
    const std::string answer = client.until_closed();
    EXPECT_THAT(answer, EndsWith("\r\n\r\nonetwo"));
    EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

struct Smuggling {
    std::string_view name, head;
};
class SmugglingTest : public ::testing::TestWithParam<Smuggling> {};

TEST_P(SmugglingTest, IsRefusedAndTheConnectionClosed) {
    const auto server = start();
    RawClient client(server->port());
    client.send(GetParam().head);
    client.send("0\r\n\r\nGET /things/smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.until_closed();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 ")) << GetParam().name;
    EXPECT_THAT(answer, HasSubstr("application/problem+json"));
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
    EXPECT_THAT(answer, Not(HasSubstr("smuggled")));
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, SmugglingTest,
    ::testing::Values(
        Smuggling{"xchunked",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n"},
        Smuggling{"chunked_identity",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n"},
        Smuggling{"twice",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"},
        Smuggling{"te_in_1_0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        Smuggling{"te_and_cl",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"},
        Smuggling{
            "cl_twice",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
        Smuggling{"cl_list", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n"},
        Smuggling{"cl_plus", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n"},
        Smuggling{"cl_hex", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n"},
        Smuggling{"blank_before_colon",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n"},
        Smuggling{"folded",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"},
        Smuggling{"vertical_tab",
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0b"
                  "chunked\r\n\r\n"},
        Smuggling{"no_host", "POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
        Smuggling{"two_hosts", "POST /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
        Smuggling{"bare_lf", "POST /echo HTTP/1.1\nHost: x\n\n"},
        Smuggling{"bare_cr", "POST /echo HTTP/1.1\r\nHost: x\rTransfer-Encoding: chunked\r\n\r\n"},
        Smuggling{"absolute_other_host", "GET http://y/echo HTTP/1.1\r\nHost: x\r\n\r\n"}),
    [](const auto& info) { return std::string(info.param.name); });

struct BadChunk {
    std::string_view name, body, code;
};
class BadChunkTest : public ::testing::TestWithParam<BadChunk> {};

TEST_P(BadChunkTest, IsRefusedAndTheConnectionClosed) {
    const auto server = start();
    RawClient client(server->port());
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(GetParam().body);
    client.shut_write();
    const std::string answer = client.until_closed();
    EXPECT_THAT(answer, HasSubstr(fmt::format("\"code\":\"{}\"", GetParam().code)));
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

INSTANTIATE_TEST_SUITE_P(
    Vectors, BadChunkTest,
    ::testing::Values(BadChunk{"bare_lf", "2\nhi\n0\n\n", "bad_chunk"},
                      BadChunk{"not_hex", "g\r\nhi\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"negative", "-2\r\nhi\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"prefix", "0x2\r\nhi\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"empty_size", "\r\nhi\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"too_long_data", "2\r\nhiX\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"overflow", "10000000000000002\r\nhi\r\n0\r\n\r\n", "bad_chunk"},
                      BadChunk{"huge", "ffffffffffffffff\r\nhi\r\n0\r\n\r\n", "body_too_large"},
                      BadChunk{"cut_in_data", "5\r\nhi", "body_cut"},
                      BadChunk{"cut_before_last", "2\r\nhi\r\n", "body_cut"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Server, ChunkExtensionsAndTrailersAreDropped) {
    const auto server = start();
    RawClient client(server->port());
    client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2;a=b\r\nhi\r\n0\r\nX-Checksum: 1\r\n\r\n"
        "GET /things/next HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nhi"));
    EXPECT_THAT(client.answer(), EndsWith("\r\n\r\nnext"));
}

TEST(Server, ACutBodyIsAProblem) {
    const auto server = start();
    RawClient client(server->port());
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    client.shut_write();
    EXPECT_THAT(client.until_closed(), HasSubstr("\"code\":\"body_cut\""));
}

TEST(Server, RefusalsOfTheRouter) {
    const auto server = start();
    const auto get = [&](std::string_view target, std::string_view more = "") {
        return ask(*server, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", target, more));
    };
    EXPECT_THAT(get("/none"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(get("/hello?nam=1"), HasSubstr("allowed are name, tag"));
    EXPECT_THAT(get("/hello?tag=1&tag=2"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("/hello?name=1&name=2"), HasSubstr("\"code\":\"repeated_parameter\""));
    EXPECT_THAT(get("/hello?name=%zz"), HasSubstr("\"code\":\"bad_encoding\""));
    EXPECT_THAT(get("/hello?name=%ff"), HasSubstr("\"code\":\"bad_encoding\""));
    EXPECT_THAT(get("/things/%00"), HasSubstr("\"code\":\"bad_encoding\""));
    EXPECT_THAT(get("/secret"), HasSubstr("WWW-Authenticate: Bearer"));
    EXPECT_THAT(get("/secret"), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(get("/secret", "Authorization: Bearer other\r\n"), StartsWith("HTTP/1.1 403 "));
    EXPECT_THAT(get("/secret", "Authorization: Bearer reader\r\n"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("http://x/hello"), StartsWith("HTTP/1.1 200 "));
    const std::string other = ask(*server, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(other, StartsWith("HTTP/1.1 405 "));
    EXPECT_THAT(other, HasSubstr("\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    const std::string options = ask(*server, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(options, StartsWith("HTTP/1.1 204 "));
    EXPECT_THAT(options, HasSubstr("\r\nAllow: POST, OPTIONS\r\n"));
}

TEST(Server, PagesOfOtherOriginsMayNotPost) {
    const auto server = start();
    const auto post = [&](std::string_view origin) {
        return ask(*server, fmt::format("POST /echo HTTP/1.1\r\nHost: localhost:8080\r\nOrigin: "
                                        "{}\r\nContent-Length: 0\r\n\r\n",
                                        origin));
    };
    EXPECT_THAT(post("http://evil.example"), HasSubstr("\"code\":\"cross_origin\""));
    EXPECT_THAT(post("null"), HasSubstr("\"code\":\"cross_origin\""));
    EXPECT_THAT(post("http://localhost:8080"), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, WithoutKeysOnlyLoopbackNamesAreAnswered) {
    ServerOptions options = test_options();
    options.loopback_hosts_only = true;
    const auto server = start(options);
    const auto get = [&](std::string_view host) {
        return ask(*server, fmt::format("GET /hello HTTP/1.1\r\nHost: {}\r\n\r\n", host));
    };
    EXPECT_THAT(get("rebound.example:8080"), HasSubstr("\"code\":\"foreign_host\""));
    EXPECT_THAT(get("127.0.0.1.evil.example"), HasSubstr("\"code\":\"foreign_host\""));
    EXPECT_THAT(get("localhost:8080"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("127.0.0.1:8080"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("[::1]:8080"), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, LimitsHoldAtTheBoundAndOnePastIt) {
    ServerOptions options = test_options();
    options.head_bytes_max = 1024;
    options.target_bytes_max = 100;
    options.body_bytes_max = 10;
    const auto server = start(options);
    const auto with_head = [](size_t bytes) {
        const std::string begin = "GET /hello HTTP/1.1\r\nHost: x\r\nX-Fill: ";
        return begin + std::string(bytes - begin.size() - 4, 'f') + "\r\n\r\n";
    };
    EXPECT_THAT(ask(*server, with_head(1024)), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(ask(*server, with_head(1025)), StartsWith("HTTP/1.1 431 "));
    const auto with_target = [](size_t bytes) {
        return fmt::format("GET /things/{} HTTP/1.1\r\nHost: x\r\n\r\n",
                           std::string(bytes - 8, 't'));
    };
    EXPECT_THAT(ask(*server, with_target(100)), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(ask(*server, with_target(101)), StartsWith("HTTP/1.1 414 "));
    const auto with_body = [](size_t bytes) {
        return fmt::format("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", bytes,
                           std::string(bytes, 'b'));
    };
    EXPECT_THAT(ask(*server, with_body(10)), EndsWith("\r\n\r\nbbbbbbbbbb"));
    EXPECT_THAT(ask(*server, with_body(11)), StartsWith("HTTP/1.1 413 "));
    const auto with_chunk = [](std::string_view chunks) {
        return fmt::format("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                           chunks);
    };
    EXPECT_THAT(ask(*server, with_chunk("a\r\nbbbbbbbbbb\r\n0\r\n\r\n")),
                StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(ask(*server, with_chunk("a\r\nbbbbbbbbbb\r\n1\r\nb\r\n0\r\n\r\n")),
                StartsWith("HTTP/1.1 413 "));
}

TEST(Server, TooManyConnectionsGetA503) {
    ServerOptions options = test_options();
    options.connections_max = 2;
    const auto server = start(options);
    RawClient first(server->port());
    RawClient second(server->port());
    for (RawClient* client : {&first, &second}) {
        client->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_THAT(client->answer(), StartsWith("HTTP/1.1 200 "));
    }
    RawClient third(server->port());
    const std::string answer = third.until_closed();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: "));
    EXPECT_THAT(answer, HasSubstr("\"code\":\"too_many_connections\""));
}

TEST(Server, SlowHeadsHoldNoWorkerAndAreCut) {
    ServerOptions options = test_options();
    options.worker_threads = 1;
    options.head_timeout_s = 1;
    const auto server = start(options);
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 50; ++i) {
        slow.push_back(std::make_unique<RawClient>(server->port()));
        slow.back()->send("GET /hello HTT");
    }
    EXPECT_THAT(ask(*server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(slow.front()->until_closed(), StartsWith("HTTP/1.1 408 "));
}

TEST(Server, ASlowBodyIsCut) {
    ServerOptions options = test_options();
    options.read_timeout_s = 1;
    const auto server = start(options);
    RawClient client(server->port());
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    EXPECT_THAT(client.until_closed(), HasSubstr("\"code\":\"request_timeout\""));
}

TEST(Server, SlowRoutesLeaveWorkersForOthers) {
    ServerOptions options = test_options();
    options.worker_threads = 2;
    Hold hold;
    const auto server = start(options, &hold);
    const std::string slow_request = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
    RawClient first(server->port());
    first.send(slow_request);
    hold.started.wait();
    const std::string answer = ask(*server, slow_request);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
    EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: "));
    EXPECT_THAT(ask(*server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
    hold.release.count_down();
}

TEST(Server, AFullQueueIsA503) {
    ServerOptions options = test_options();
    options.worker_threads = 1;
    options.queue_max = 1;
    Hold hold;
    const auto server = start(options, &hold);
    const std::string slow_request = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
    RawClient running(server->port());
    running.send(slow_request);
    hold.started.wait();
    std::vector<std::unique_ptr<RawClient>> waiting;
    for (int i = 0; i < 2; ++i) {
        waiting.push_back(std::make_unique<RawClient>(server->port()));
        waiting.back()->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        if (i == 0) {
            EXPECT_TRUE(waiting.back()->silent(100));
        }
    }
    EXPECT_THAT(waiting.back()->until_closed(), HasSubstr("\"code\":\"overloaded\""));
    hold.release.count_down();
    EXPECT_THAT(waiting.front()->answer(), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, StopLetsARunningRequestEndAndRefusesNewOnes) {
    Hold hold;
    const auto server = start(test_options(), &hold);
    RawClient idle(server->port());
    RawClient running(server->port());
    running.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    hold.started.wait();
    std::thread stopping([&] { server->stop(10); });
    EXPECT_EQ(idle.until_closed(), "");
    hold.release.count_down();
    const std::string answer = running.until_closed();
    stopping.join();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST(Server, SaysWhyItCannotListen) {
    const auto server = start();
    ServerOptions options = test_options();
    options.port = server->port();
    const auto second = Server::start(options, test_router(), only_upload_key, nullptr);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, "address_in_use");
    options.address = "not-an-address";
    EXPECT_EQ(Server::start(options, test_router(), only_upload_key, nullptr).error().code,
              "bad_listen_address");
}

}  // namespace
}  // namespace rh::http
