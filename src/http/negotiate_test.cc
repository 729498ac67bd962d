#include "http/negotiate.h"

#include <array>

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "http/problem.h"
#include "http/router.h"
#include "http/text.h"

namespace rh::http {
namespace {

constexpr std::array kOffered = {kJson, kCsv, kNdjson};

Request with_query(std::vector<std::pair<std::string, std::string>> query) {
    Request request;
    request.query = std::move(query);
    return request;
}

std::string chosen(std::string_view accept, std::string_view format = "") {
    Request request;
    if (!accept.empty()) {
        request.headers = {{"accept", std::string(accept)}};
    }
    if (!format.empty()) {
        request.query = {{"format", std::string(format)}};
    }
    const auto index = negotiate(request, kOffered);
    return index ? std::string(kOffered[*index].name) : index.error().code;
}

TEST(Negotiate, Accept) {
    EXPECT_EQ(chosen(""), "json");
    EXPECT_EQ(chosen("*/*"), "json");
    EXPECT_EQ(chosen("text/csv"), "csv");
    EXPECT_EQ(chosen("TEXT/CSV; charset=utf-8"), "csv");
    EXPECT_EQ(chosen("text/*"), "csv");
    EXPECT_EQ(chosen("application/json;q=0.1, application/x-ndjson;q=0.5"), "ndjson");
    EXPECT_EQ(chosen("application/json;q=0, */*"), "csv");
    EXPECT_EQ(chosen("text/html,application/xhtml+xml,*/*;q=0.8"), "json");
    EXPECT_EQ(chosen("text/html"), "not_acceptable");
    EXPECT_EQ(chosen("application/json;q=0"), "not_acceptable");
    EXPECT_EQ(chosen("application/json;q=x"), "not_acceptable");
}

TEST(Negotiate, FormatWins) {
    EXPECT_EQ(chosen("text/html", "csv"), "csv");
    EXPECT_EQ(chosen("", "xml"), "unknown_format");
}

TEST(Prefer, Wait) {
    const auto wait = [](std::string_view value) {
        Request request;
        request.headers = {{"prefer", std::string(value)}};
        return preferred_wait_s(request);
    };
    EXPECT_EQ(wait("wait=10"), 10U);
    EXPECT_EQ(wait("respond-async, Wait = 5; x=y"), 5U);
    EXPECT_EQ(wait("wait"), std::nullopt);
    EXPECT_EQ(wait("wait=-1"), std::nullopt);
    EXPECT_EQ(wait("wait=1x"), std::nullopt);
    EXPECT_EQ(preferred_wait_s({}), std::nullopt);
}

TEST(Parameters, NumbersAtTheBoundsAndPastThem) {
    const auto number = [](std::string_view value) {
        return number_parameter(with_query({{"limit", std::string(value)}}), "limit", 100, 1, 10);
    };
    EXPECT_EQ(*number("1"), 1U);
    EXPECT_EQ(*number("10"), 10U);
    for (const std::string_view bad : {"0", "11", "", "-1", "1.0", " 1", "99999999999999999999"}) {
        EXPECT_EQ(number(bad).error().code, "bad_limit") << bad;
    }
    EXPECT_EQ(*number_parameter({}, "limit", 100, 1, 10), 100U);
    EXPECT_EQ(*boolean_parameter(with_query({{"a", "true"}}), "a", false), true);
    EXPECT_EQ(boolean_parameter(with_query({{"a", "1"}}), "a", false).error().code, "bad_a");
}

TEST(Links, NextKeepsTheOtherParameters) {
    Request request = with_query({{"cursor", "old"}, {"filename", "a b"}});
    request.target = "/v1/uploads?cursor=old&filename=a%20b";
    EXPECT_EQ(next_link(request, "n=w"), "</v1/uploads?filename=a%20b&cursor=n%3Dw>; rel=\"next\"");
}

TEST(Etags, Match) {
    EXPECT_TRUE(matches_etag("\"a\", W/\"b\"", strong_etag("b")));
    EXPECT_TRUE(matches_etag("*", strong_etag("b")));
    EXPECT_TRUE(matches_etag("\"a,b\"", strong_etag("a,b")));
    EXPECT_FALSE(matches_etag("\"a\"", strong_etag("b")));
    EXPECT_FALSE(matches_etag("", strong_etag("b")));
}

TEST(Base64, RoundTripAndStrictness) {
    // RFC 4648, section 10.
    EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
    EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
    EXPECT_EQ(base64_decode("Zm9vYg=="), "foob");
    EXPECT_EQ(base64_decode("Zm9vYmE="), "fooba");
    EXPECT_EQ(base64_decode(""), "");
    for (const std::string_view bad :
         {"Zm9vYg", "Zm9vYg=", "Zm9vYh==", "Zm9v!g==", "====", "Z==="}) {
        EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
    }
    EXPECT_EQ(base64url_encode("\xff\xfe\xfd\xfc"), "__79_A");
    EXPECT_EQ(base64url_decode("__79_A"), "\xff\xfe\xfd\xfc");
    EXPECT_EQ(base64url_decode("_"), std::nullopt);
}

TEST(Text, Utf8) {
    EXPECT_TRUE(is_valid_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xb0"));
    for (const std::string_view bad :
         {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff"}) {
        EXPECT_FALSE(is_valid_utf8(bad));
    }
    EXPECT_EQ(to_valid_utf8("a\xff"
                            "b"),
              "a\xef\xbf\xbd"
              "b");
}

TEST(Text, HeaderParameters) {
    EXPECT_EQ(header_parameter("attachment; filename=\"a\\\"b;c.csv\"; x=y", "filename"),
              "a\"b;c.csv");
    EXPECT_EQ(header_parameter("a; filename=plain; filename*=UTF-8''%C3%A4.csv", "filename"),
              "\xc3\xa4.csv");
    EXPECT_EQ(header_parameter("a; filename*=UTF-8''%ff; filename=b", "filename"), "b");
    EXPECT_EQ(header_parameter("a; name=b", "filename"), std::nullopt);
    EXPECT_EQ(safe_filename("C:\\files\\a.csv"), "a.csv");
    EXPECT_EQ(safe_filename(std::string(300, 'a')).size(), 255U);
    EXPECT_EQ(safe_filename(std::string(254, 'a') + "\xc3\xa4").size(), 254U);
    EXPECT_EQ(content_disposition("a\"\xc3\xa4.csv"),
              "attachment; filename=\"a___.csv\"; filename*=UTF-8''a%22%C3%A4.csv");
}

TEST(Problem, EveryKindHasAStatusAndSomeCodesTheirOwn) {
    const std::array<std::pair<ErrorKind, int>, 12> kinds = {{{ErrorKind::invalid_request, 400},
                                                              {ErrorKind::unauthorized, 401},
                                                              {ErrorKind::forbidden, 403},
                                                              {ErrorKind::not_found, 404},
                                                              {ErrorKind::conflict, 409},
                                                              {ErrorKind::too_large, 413},
                                                              {ErrorKind::unsupported, 415},
                                                              {ErrorKind::invalid_content, 422},
                                                              {ErrorKind::busy, 429},
                                                              {ErrorKind::internal, 500},
                                                              {ErrorKind::unavailable, 503},
                                                              {ErrorKind::storage_full, 507}}};
    for (const auto& [kind, status] : kinds) {
        EXPECT_EQ(status_of({.kind = kind, .code = "some_code", .message = ""}), status);
    }
    EXPECT_EQ(status_of({ErrorKind::invalid_request, "method_not_allowed", ""}), 405);
    EXPECT_EQ(status_of({ErrorKind::unavailable, "request_timeout", ""}), 408);
}

TEST(Problem, TextOfClientsIsEscaped) {
    const Response response =
        problem({ErrorKind::invalid_request, "bad_thing", "a \"quote\"\n\xff"}, "/p\"", "t");
    EXPECT_EQ(response.body,
              "{\"type\":\"/problems/bad_thing\",\"title\":\"Bad thing\",\"status\":400,"
              "\"detail\":\"a \\\"quote\\\"\\n\xef\xbf\xbd\",\"instance\":\"/p\\\"\","
              "\"code\":\"bad_thing\",\"trace_id\":\"t\"}");
    EXPECT_EQ(response.content_type, "application/problem+json");
}

TEST(Router, LiteralPathsBeforeParameters) {
    Router router;
    router.add({.method = "GET", .pattern = "/v1/things/{id}", .query = {}, .handler = {}});
    router.add({.method = "GET", .pattern = "/v1/things/all", .query = {}, .handler = {}});
    router.add({.method = "DELETE", .pattern = "/v1/things/{id}", .query = {}, .handler = {}});
    router.add({.method = "GET", .pattern = "/", .query = {}, .handler = {}});
    EXPECT_EQ(router.match("GET", "/v1/things/all")->route->pattern, "/v1/things/all");
    EXPECT_EQ(router.match("HEAD", "/v1/things/x y")->path_parameters[0].second, "x y");
    EXPECT_EQ(router.match("GET", "/")->route->pattern, "/");
    for (const std::string_view path :
         {"", "/v1", "/v1/things", "/v1/things/", "/v1/things/a/", "/v1/things/a/b", "//", "/V1"}) {
        EXPECT_EQ(router.match("GET", path).error().code, "unknown_path") << path;
    }
    EXPECT_EQ(router.match("POST", "/v1/things/a").error().code, "method_not_allowed");
    EXPECT_EQ(router.allowed_methods("/v1/things/a"),
              (std::vector<std::string>{"GET", "HEAD", "DELETE", "OPTIONS"}));
}

}  // namespace
}  // namespace rh::http
