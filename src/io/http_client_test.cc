#include "io/http_client.h"

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/stream.h"

namespace rh::io {
namespace {

using ::testing::HasSubstr;

// A peer on loopback that runs a script for each connection, one after another.
class ScriptedPeer {
  public:
    using Script = std::function<void(int fd)>;

    explicit ScriptedPeer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        RH_ASSERT(listener_ >= 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        ::listen(listener_, 8);
        port = ntohs(address.sin_port);
        thread_ = std::thread([this] {
            for (const Script& script : scripts_) {
                const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
                ++connections;
                script(fd);
                ::close(fd);
            }
        });
    }
    ~ScriptedPeer() {
        thread_.join();
        ::close(listener_);
    }

    // Everything up to and including `end`.
    static std::string read_until(int fd, std::string_view end) {
        std::string text;
        char c = 0;
        while (!text.ends_with(end) && ::recv(fd, &c, 1, 0) == 1) {
            text += c;
        }
        return text;
    }
    static void say(int fd, std::string_view text) {
        ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    }
    // Answers one request without a body.
    static Script answer(std::string text) {
        return [text = std::move(text)](int fd) {
            read_until(fd, "\r\n\r\n");
            say(fd, text);
        };
    }

    uint16_t port = 0;
    std::atomic<int> connections = 0;

  private:
    std::vector<Script> scripts_;
    int listener_ = -1;
    std::thread thread_;
};

HttpClient client_of(const ScriptedPeer& peer, int timeout_ms = 10'000) {
    HttpClientOptions options;
    options.port = peer.port;
    options.read_timeout_ms = timeout_ms;
    options.write_timeout_ms = timeout_ms;
    return HttpClient(options);
}

std::string body_of(const HttpClient& client, const HttpRequest& request = {}) {
    auto response = client.send(request);
    if (!response) {
        return response.error().code;
    }
    auto body = (*response)->read_all();
    return body ? *body : body.error().code;
}

TEST(HttpClient, ReadsLengthsChunksAndBodiesThatEndWithTheConnection) {
    ScriptedPeer peer({
        ScriptedPeer::answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"),
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                             "Connection: close\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"),
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"),
        ScriptedPeer::answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    });
    const HttpClient client = client_of(peer);
    EXPECT_EQ(body_of(client), "hello");
    EXPECT_EQ(body_of(client), "hello");
    EXPECT_EQ(body_of(client), "hello");
    auto response = client.send({}).value();
    EXPECT_EQ(response->status(), 204);
    EXPECT_EQ(response->next().value(), "");
}

TEST(HttpClient, ABodyThatIsCutIsAnError) {
    ScriptedPeer peer({
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
        ScriptedPeer::answer("HTTP/1.1 200 OK\r\nContent-"),
        ScriptedPeer::answer("SSH-2.0-OpenSSH\r\n"),
    });
    const HttpClient client = client_of(peer);
    EXPECT_EQ(body_of(client), "http_body_cut");
    EXPECT_EQ(body_of(client), "http_body_cut");
    EXPECT_EQ(body_of(client), "http_body_cut");
    EXPECT_EQ(body_of(client), "connection_closed");
    EXPECT_EQ(body_of(client), "http_protocol_error");
}

TEST(HttpClient, SendsHeadersAndPieces) {
    std::string seen;
    ScriptedPeer peer({[&](int fd) {
        seen = ScriptedPeer::read_until(fd, "onetwo");
        ScriptedPeer::say(fd,
                          "HTTP/1.1 201 Created\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
    }});
    const std::vector<std::string_view> pieces = {"one", "", "two"};
    HttpRequest request;
    request.method = "POST";
    request.target = "/here?a=%20";
    request.headers = {{"X-Key", "value"}};
    request.body = pieces;
    {
        auto response = client_of(peer).send(request).value();
        EXPECT_EQ(response->status(), 201);
        EXPECT_EQ(response->header("location"), "/there");
        EXPECT_EQ(response->header("nothing"), "");
        EXPECT_EQ(response->headers().size(), 2U);
    }
    EXPECT_THAT(seen, testing::StartsWith("POST /here?a=%20 HTTP/1.1\r\nHost: 127.0.0.1:"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Key: value\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nContent-Length: 6\r\n"));
}

HttpRequest pulled(int pieces, std::optional<uint64_t> bytes) {
    HttpRequest request;
    request.method = "POST";
    request.next_body = [left = pieces]() mutable -> Result<std::string_view> {
        return left-- > 0 ? "0123456789" : "";
    };
    request.body_bytes = bytes;
    return request;
}

TEST(HttpClient, PullsBodiesChunkedOrWithALength) {
    std::vector<std::string> seen(2);
    const std::string ok = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    ScriptedPeer peer({[&](int fd) {
                           seen[0] = ScriptedPeer::read_until(fd, "0\r\n\r\n");
                           ScriptedPeer::say(fd, ok);
                       },
                       [&](int fd) {
                           seen[1] = ScriptedPeer::read_until(fd, "01234567890123456789");
                           ScriptedPeer::say(fd, ok);
                       },
                       [&](int fd) { ScriptedPeer::read_until(fd, "never"); },
                       [&](int fd) { ScriptedPeer::read_until(fd, "never"); }});
    {
        const HttpClient client = client_of(peer);
        EXPECT_EQ(body_of(client, pulled(2, std::nullopt)), "ok");
        EXPECT_EQ(body_of(client, pulled(2, 20)), "ok");
        EXPECT_EQ(body_of(client, pulled(2, 21)), "http_body_length");
        HttpRequest failing = pulled(2, std::nullopt);
        failing.next_body = []() -> Result<std::string_view> {
            return fail(ErrorKind::not_found, "file_not_found", "gone");
        };
        EXPECT_EQ(body_of(client, failing), "file_not_found") << "the source's own error";
    }
    EXPECT_THAT(seen[0], HasSubstr("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\na\r\n"));
    EXPECT_THAT(seen[1], HasSubstr("Content-Length: 20\r\n\r\n0123456789"));
}

TEST(HttpClient, HearsAPeerThatRefusesBeforeItHasTakenTheBody) {
    std::atomic<bool> done = false;
    ScriptedPeer peer({[&](int fd) {
        ScriptedPeer::read_until(fd, "\r\n\r\n");
        ScriptedPeer::say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong");
        while (!done) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }});
    EXPECT_EQ(body_of(client_of(peer), pulled(10'000'000, std::nullopt)), "long");
    done = true;
}

TEST(HttpClient, UsesConnectionsAgainAndNoticesDeadOnes) {
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedPeer peer({[&](int fd) {
                           for (int i = 0; i < 3; ++i) {
                               ScriptedPeer::read_until(fd, "\r\n\r\n");
                               ScriptedPeer::say(fd, answer);
                           }
                       },
                       [&](int fd) {
                           ScriptedPeer::read_until(fd, "\r\n\r\n");
                           ScriptedPeer::say(fd, answer);
                           ScriptedPeer::read_until(fd, "\r\n\r\n");  // and closes without a word
                       },
                       ScriptedPeer::answer(answer)});
    const HttpClient client = client_of(peer);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(body_of(client), "ok");
    }
    EXPECT_EQ(peer.connections, 1);
    EXPECT_EQ(body_of(client), "ok");
    EXPECT_EQ(body_of(client), "ok") << "sent again on a new connection";
    EXPECT_EQ(peer.connections, 3);
}

TEST(HttpClient, AResponseNotReadToItsEndDoesNotSpoilTheNext) {
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedPeer peer({ScriptedPeer::answer(answer), ScriptedPeer::answer(answer)});
    const HttpClient client = client_of(peer);
    EXPECT_EQ(client.send({}).value()->status(), 200);
    EXPECT_EQ(body_of(client), "ok");
    EXPECT_EQ(peer.connections, 2);
}

TEST(HttpClient, EveryWaitHasADeadline) {
    std::atomic<bool> done = false;
    const auto silent = [&](int) {
        while (!done) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    };
    ScriptedPeer peer({silent});
    const HttpClient client = client_of(peer, 50);
    HttpRequest request;
    request.method = "POST";
    const std::string bytes(50'000'000, 'x');  // NOLINT(bugprone-string-constructor): it is large
    const std::string_view piece = bytes;
    request.body = {&piece, 1};
    EXPECT_EQ(body_of(client, request), "connection_timeout");
    done = true;
}

TEST(HttpClient, AbortEndsWhatRunsAndWhatComes) {
    std::promise<void> asked;
    ScriptedPeer peer({[&](int fd) {
        ScriptedPeer::read_until(fd, "\r\n\r\n");
        asked.set_value();
        ScriptedPeer::read_until(fd, "never");  // until the connection is closed
    }});
    const HttpClient client({.port = peer.port});
    std::jthread aborting([&] {
        asked.get_future().wait();
        client.abort();
    });
    HttpRequest request;
    request.method = "POST";
    const auto cut = client.send(request);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, "connection_closed");
    const auto later = client.send(request);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, "stopping");
    EXPECT_EQ(peer.connections, 1);
}

TEST(HttpClient, RefusesLineBreaksInHeaders) {
    const HttpClient client(HttpClientOptions{});
    HttpRequest header;
    header.headers = {{"X", "a\r\nY: b"}};
    EXPECT_EQ(body_of(client, header), "bad_http_header");
    HttpRequest target;
    target.target = "/a b";
    EXPECT_EQ(body_of(client, target), "bad_http_header");
}

TEST(HttpClient, SaysWhoDoesNotAnswer) {
    HttpClientOptions options;
    const auto nobody = LoopbackPort::reserve().value();
    options.port = nobody.number();
    const auto refused = HttpClient(options).send({}).error();
    EXPECT_EQ(refused.code, "connection_failed");
    EXPECT_EQ(refused.verdict, Verdict::retry);
    EXPECT_THAT(refused.message, HasSubstr("127.0.0.1:" + std::to_string(options.port)));
    options.host = "no-such-host.invalid";
    EXPECT_THAT(HttpClient(options).send({}).error().message, HasSubstr("no-such-host.invalid"));
}

TEST(HttpClient, BoundsWhatIsReadAtOnce) {
    ScriptedPeer peer({ScriptedPeer::answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")});
    auto response = client_of(peer).send({}).value();
    EXPECT_EQ(response->read_all(4).error().code, "http_body_too_large");
}

TEST(HttpClient, PercentEncodes) {
    EXPECT_EQ(percent_encode("a-Z_0.~ +&=%/\xc3\xa9"), "a-Z_0.~%20%2B%26%3D%25%2F%C3%A9");
}

// The errno of a bind, or of a listen after it.
int listen_on(uint16_t port, bool reuse) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RH_ASSERT(fd >= 0);
    const int on = reuse ? 1 : 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool listens = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                         ::listen(fd, 1) == 0;
    const int error = listens ? 0 : errno;
    ::close(fd);
    return error;
}

TEST(LoopbackPort, IsKeptForAListenerThatComesAndGoes) {
    auto reserved = std::make_unique<LoopbackPort>(LoopbackPort::reserve().value());
    const uint16_t port = reserved->number();
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(listen_on(port, true), 0);
        EXPECT_EQ(listen_on(port, false), EADDRINUSE);
    }
    reserved.reset();
    EXPECT_EQ(listen_on(port, false), 0);
}

}  // namespace
}  // namespace rh::io
