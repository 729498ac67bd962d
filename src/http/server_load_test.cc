// Slow clients, full queues, and the end of the server.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_for_test.h"

namespace rh::http {
namespace {

using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

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

TEST(Server, ClientsThatDoNotReadLeaveWorkersForOthers) {
    ServerOptions options = test_options();
    options.worker_threads = 6;
    const auto server = start(options);
    std::vector<std::unique_ptr<RawClient>> holding;
    for (int i = 0; i < 2; ++i) {
        holding.push_back(std::make_unique<RawClient>(server->port()));
        holding.back()->send("GET /large-stream HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_THAT(holding.back()->until("\r\n"), StartsWith("HTTP/1.1 200 "));
    }
    for (int i = 0; i < 10; ++i) {
        const std::string answer = ask(*server, "GET /large-stream HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
        EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: "));
        EXPECT_THAT(answer, HasSubstr("\"code\":\"too_many_downloads\""));
        // Who takes an answer at once waits for nobody else's.
        EXPECT_THAT(ask(*server, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"),
                    AllOf(StartsWith("HTTP/1.1 200 "), SizeIs(Gt(16U << 20))));
    }
    EXPECT_THAT(ask(*server, "HEAD /large-stream HTTP/1.1\r\nHost: x\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(ask(*server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
    holding.clear();
}

TEST(Server, ShortAnswersThatAreNotReadAreCutWhenNoMoreMayWait) {
    ServerOptions options = test_options();
    options.worker_threads = 3;
    const auto server = start(options);
    RawClient holding(server->port());
    holding.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(holding.until("\r\n"), StartsWith("HTTP/1.1 200 "));
    constexpr int kRequests = 4000;
    RawClient asking(server->port());
    std::string requests;
    for (int i = 0; i < kRequests; ++i) {
        requests +=
            fmt::format("GET /things/{} HTTP/1.1\r\nHost: x\r\n\r\n", std::string(4000, 'x'));
    }
    asking.send(requests);  // returns once the server takes no more of it
    int answered = 0;
    while (!asking.until("HTTP/1.1 200 ").empty()) {
        ++answered;
    }
    EXPECT_LT(answered, kRequests);
    EXPECT_THAT(ask(*server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
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

TEST(Server, StopTellsAClientThatStillSends) {
    const auto server = start();
    RawClient silent(server->port());
    silent.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it");
    RawClient busy(server->port());
    busy.send("POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::jthread sending([&busy](const std::stop_token& ended) {
        while (!ended.stop_requested()) {
            busy.send("5\r\nbytes\r\n");
        }
    });
    EXPECT_TRUE(silent.silent(100));
    server->stop(0);
    const std::string answer = silent.until_closed();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("\"code\":\"stopping\""));
    EXPECT_THAT(busy.until_closed(), HasSubstr("\"code\":\"stopping\""));
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
