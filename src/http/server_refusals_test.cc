// Hostile and broken requests: smuggling, bad chunks, foreign origins, limits.
#include <atomic>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_for_test.h"

namespace rh::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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

TEST(Server, PagesOfListedOriginsMayCall) {
    ServerOptions options = test_options();
    options.cors_origins = {"https://app.example", "http://localhost:5173"};
    const auto server = start(options);
    const auto call = [&](std::string_view method, std::string_view path, std::string_view origin,
                          std::string_view more = "") {
        return ask(*server, fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\n{}"
                                        "Content-Length: 0\r\n\r\n",
                                        method, path, origin, more));
    };
    const std::string posted = call("POST", "/echo", "https://app.example");
    EXPECT_THAT(posted, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(posted, HasSubstr("\r\nAccess-Control-Allow-Origin: https://app.example\r\n"));
    EXPECT_THAT(posted, HasSubstr("\r\nVary: Origin\r\n"));
    EXPECT_THAT(posted, HasSubstr("\r\nAccess-Control-Expose-Headers: "));
    EXPECT_THAT(posted, Not(HasSubstr("Allow-Credentials")));
    EXPECT_THAT(call("GET", "/secret", "https://app.example"),
                HasSubstr("\r\nAccess-Control-Allow-Origin: https://app.example\r\n"))
        << "a page can read problems too";
    for (const std::string_view other :
         {"https://app.example.evil", "http://app.example", "null", "HTTPS://app.example"}) {
        EXPECT_THAT(call("POST", "/echo", other), HasSubstr("\"code\":\"cross_origin\"")) << other;
        const std::string read = call("GET", "/hello", other);
        EXPECT_THAT(read, Not(HasSubstr("Access-Control-"))) << other;
        EXPECT_THAT(read, HasSubstr("\r\nVary: Origin\r\n")) << other;
    }
    constexpr std::string_view kAsks = "Access-Control-Request-Method: POST\r\n";
    const std::string preflight = call("OPTIONS", "/echo", "http://localhost:5173", kAsks);
    EXPECT_THAT(preflight, StartsWith("HTTP/1.1 204 "));
    EXPECT_THAT(preflight, HasSubstr("\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n"));
    EXPECT_THAT(preflight, HasSubstr("Authorization"));
    EXPECT_THAT(call("OPTIONS", "/echo", "http://evil.example", kAsks),
                Not(HasSubstr("Access-Control-")));
    const auto without_list = start();
    EXPECT_THAT(ask(*without_list,
                    "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example"
                    "\r\n\r\n"),
                Not(HasSubstr("Access-Control-")));
}

TEST(Server, WithoutKeysOnlyLoopbackNamesAreAnswered) {
    ServerOptions options = test_options();
    std::atomic<bool> has_keys = false;
    options.loopback_hosts_only = [&has_keys] { return !has_keys; };
    const auto server = start(options);
    const auto get = [&](std::string_view host) {
        return ask(*server, fmt::format("GET /hello HTTP/1.1\r\nHost: {}\r\n\r\n", host));
    };
    EXPECT_THAT(get("rebound.example:8080"), HasSubstr("\"code\":\"foreign_host\""));
    EXPECT_THAT(get("127.0.0.1.evil.example"), HasSubstr("\"code\":\"foreign_host\""));
    EXPECT_THAT(get("localhost:8080"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("127.0.0.1:8080"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("[::1]:8080"), StartsWith("HTTP/1.1 200 "));
    has_keys = true;
    EXPECT_THAT(get("served.example"), StartsWith("HTTP/1.1 200 "));
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

}  // namespace
}  // namespace rh::http
