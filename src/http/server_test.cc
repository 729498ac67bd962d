// Answers of the server to well-formed requests, byte by byte.
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
    EXPECT_THAT(client.until("\r\n0\r\n\r\n"),
                EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
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

}  // namespace
}  // namespace rh::http
