#include "http/header_gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace rh::http {
namespace {

std::string code_of(std::string_view head, const GateLimits& limits = {}) {
    const auto parsed = parse_head(head, limits);
    return parsed ? "" : parsed.error().code;
}

std::string with(std::string_view lines) {
    return fmt::format("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", lines);
}

TEST(FindHead, NeedsCrlfEverywhere) {
    EXPECT_EQ(find_head("GET / HTTP/1.1\r\nHost: x\r\n\r\nbody").bytes, 27U);
    EXPECT_EQ(find_head("").scan, HeadScan::incomplete);
    EXPECT_EQ(find_head("GET / HTTP/1.1\r").scan, HeadScan::incomplete);
    EXPECT_EQ(find_head("GET / HTTP/1.1\r\nHost: x\r\n").scan, HeadScan::incomplete);
    EXPECT_EQ(find_head("GET / HTTP/1.1\n").scan, HeadScan::broken);
    EXPECT_EQ(find_head("GET / HTTP/1.1\rX").scan, HeadScan::broken);
    EXPECT_EQ(find_head("GET / HTTP/1.1\r\r\n").scan, HeadScan::broken);
    EXPECT_EQ(find_head("\r\nGET / HTTP/1.1\r\n\r\n").scan, HeadScan::complete);
    EXPECT_EQ(find_head("\r\n\r\n").scan, HeadScan::broken);
}

TEST(FindHead, IsTheSameForEveryPrefix) {
    const std::string head = with("A: b\r\n");
    for (size_t bytes = 0; bytes < head.size(); ++bytes) {
        EXPECT_EQ(find_head(std::string_view(head).substr(0, bytes)).scan, HeadScan::incomplete)
            << bytes;
    }
    EXPECT_EQ(find_head(head).bytes, head.size());
}

TEST(ParseHead, ReadsAPlainHead) {
    const auto head = parse_head(
        "POST /a?b=c HTTP/1.1\r\nHOST: example:80\r\nContent-Length: 12\r\nAccept: a\r\n"
        "Accept:  b \r\nExpect: 100-Continue\r\n\r\n");
    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head->method, "POST");
    EXPECT_EQ(head->target, "/a?b=c");
    EXPECT_EQ(head->content_length, 12U);
    EXPECT_TRUE(head->keep_alive);
    EXPECT_TRUE(head->expect_continue);
    EXPECT_EQ(head->headers[0], (Headers::value_type{"host", "example:80"}));
    EXPECT_EQ(head->headers[2], (Headers::value_type{"accept", "a, b"}));
    EXPECT_EQ(head->headers.size(), 4U);
}

TEST(ParseHead, Connection) {
    EXPECT_FALSE(parse_head(with("Connection: x, Close\r\n"))->keep_alive);
    EXPECT_FALSE(parse_head("GET / HTTP/1.0\r\n\r\n")->keep_alive);
    EXPECT_TRUE(parse_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
}

TEST(ParseHead, RequestLine) {
    for (const std::string_view line :
         {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "G@T / HTTP/1.1",
          "GET x HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /\xc3\xa4 HTTP/1.1", "GET /#a HTTP/1.1",
          "GET * HTTP/1.1", "GET / http/1.1", "GET /a b HTTP/1.1", "CONNECT x:1 HTTP/1.1",
          "GET ftp://x/ HTTP/1.1", "GET / HTTP/1.12"}) {
        EXPECT_EQ(code_of(fmt::format("{}\r\nHost: x\r\n\r\n", line)), "bad_request_line") << line;
    }
    EXPECT_EQ(code_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), "unsupported_http_version");
    EXPECT_EQ(code_of("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), "");
}

TEST(ParseHead, AbsoluteFormMustNameTheSameHost) {
    const auto head = parse_head("GET http://X:80/a?b HTTP/1.1\r\nHost: x:80\r\n\r\n");
    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head->target, "/a?b");
    EXPECT_EQ(parse_head("GET http://x?b HTTP/1.1\r\nHost: x\r\n\r\n")->target, "/?b");
    EXPECT_EQ(code_of("GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"), "bad_host");
    EXPECT_EQ(code_of("GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n"), "bad_host");
}

TEST(ParseHead, HeaderLines) {
    EXPECT_EQ(code_of(with("no colon\r\n")), "bad_header");
    EXPECT_EQ(code_of(with(": x\r\n")), "bad_header");
    EXPECT_EQ(code_of(with("A : x\r\n")), "bad_header");
    EXPECT_EQ(code_of(with("A\xc3: x\r\n")), "bad_header");
    EXPECT_EQ(code_of(with("A: x\x01\r\n")), "bad_header");
    EXPECT_EQ(code_of(with(std::string_view("A: x\0y\r\n", 8))), "bad_header");
    EXPECT_EQ(code_of(with(std::string_view("A\0: x\r\n", 7))), "bad_header");
    EXPECT_EQ(code_of(with(" A: x\r\n")), "folded_header");
    EXPECT_EQ(code_of(with("A: x\r\n\ty\r\n")), "folded_header");
    EXPECT_EQ(code_of(with("A: \t tab and \xc3\xa4\r\n")), "");
    EXPECT_EQ(code_of(with("Authorization: a\r\nAuthorization: b\r\n")), "repeated_header");
}

TEST(ParseHead, Framing) {
    EXPECT_EQ(code_of(with("Transfer-Encoding: chunked\r\n")), "");
    EXPECT_EQ(code_of(with("Transfer-Encoding: Chunked\r\n")), "bad_transfer_encoding");
    EXPECT_EQ(code_of(with("Transfer-Encoding: gzip, chunked\r\n")), "bad_transfer_encoding");
    EXPECT_EQ(code_of(with("Transfer-Encoding:\r\n")), "bad_transfer_encoding");
    EXPECT_EQ(code_of("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "bad_transfer_encoding");
    EXPECT_EQ(code_of(with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
              "ambiguous_length");
    EXPECT_EQ(code_of(with("Content-Length: 1\r\nContent-Length: 1\r\n")), "repeated_header");
    for (const std::string_view length :
         {"", "-1", "+1", "1 1", "1,1", "0x1", "1e3", "1234567890123456789"}) {
        EXPECT_EQ(code_of(with(fmt::format("Content-Length: {}\r\n", length))),
                  "bad_content_length")
            << length;
    }
    EXPECT_EQ(parse_head(with("Content-Length: 123456789012345678\r\n"))->content_length,
              123456789012345678U);
}

TEST(ParseHead, Host) {
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\n\r\n"), "bad_host");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "bad_host");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "bad_host");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "bad_host");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"), "repeated_header");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "");
    EXPECT_EQ(code_of("GET / HTTP/1.0\r\n\r\n"), "");
}

TEST(ParseHead, LimitsAtTheBoundAndOnePastIt) {
    const auto headers = [](int count) {
        std::string lines;
        for (int i = 1; i < count; ++i) {
            lines += fmt::format("A{}: x\r\n", i);
        }
        return with(lines);
    };
    EXPECT_EQ(code_of(headers(5), {.headers_max = 5}), "");
    EXPECT_EQ(code_of(headers(6), {.headers_max = 5}), "too_many_headers");
    EXPECT_EQ(code_of("GET /123 HTTP/1.1\r\nHost: x\r\n\r\n", {.target_bytes_max = 4}), "");
    EXPECT_EQ(code_of("GET /1234 HTTP/1.1\r\nHost: x\r\n\r\n", {.target_bytes_max = 4}),
              "target_too_long");
    EXPECT_EQ(code_of(with("Expect: 200-maybe\r\n")), "expectation_failed");
}

}  // namespace
}  // namespace rh::http
