#include "http/problem.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/utf8.h"
#include "http/text.h"

namespace rh::http {
namespace {

constexpr int kRetryAfterS = 5;

struct StatusOfCode {
    std::string_view code;
    int status;
};
constexpr StatusOfCode kStatusOfCode[] = {
    {"body_cut", 400},         {"method_not_allowed", 405}, {"not_acceptable", 406},
    {"request_timeout", 408},  {"target_too_long", 414},    {"expectation_failed", 417},
    {"header_too_large", 431}, {"too_many_headers", 431},   {"unsupported_http_version", 505},
};

int status_of_kind(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid_request:
            return 400;
        case ErrorKind::unauthorized:
            return 401;
        case ErrorKind::forbidden:
            return 403;
        case ErrorKind::not_found:
            return 404;
        case ErrorKind::conflict:
            return 409;
        case ErrorKind::too_large:
            return 413;
        case ErrorKind::unsupported:
            return 415;
        case ErrorKind::invalid_content:
            return 422;
        case ErrorKind::busy:
            return 429;
        case ErrorKind::internal:
            return 500;
        case ErrorKind::unavailable:
            return 503;
        case ErrorKind::storage_full:
            return 507;
    }
    return 500;
}

}  // namespace

int status_of(const Error& error) {
    for (const auto& [code, status] : kStatusOfCode) {
        if (code == error.code) {
            return status;
        }
    }
    return status_of_kind(error.kind);
}

std::string title_of(std::string_view code) {
    std::string title(code);
    for (char& c : title) {
        c = c == '_' ? ' ' : c;
    }
    if (!title.empty() && title[0] >= 'a' && title[0] <= 'z') {
        title[0] = static_cast<char>(title[0] - 'a' + 'A');
    }
    return title;
}

Response problem(const Error& error, std::string_view instance, std::string_view trace_id) {
    const int status = status_of(error);
    boost::json::object body;
    body["type"] = fmt::format("/problems/{}", error.code);
    body["title"] = title_of(error.code);
    body["status"] = status;
    body["detail"] = to_valid_utf8(error.message);
    body["instance"] = to_valid_utf8(instance);
    body["code"] = error.code;
    body["trace_id"] = trace_id;
    Response response{.status = status,
                      .content_type = "application/problem+json",
                      .body = boost::json::serialize(body),
                      .headers = {{"Cache-Control", "no-store"}}};
    if (status == 429 || status == 503) {
        response.headers.emplace_back("Retry-After", fmt::to_string(kRetryAfterS));
    }
    if (status == 401) {
        response.headers.emplace_back("WWW-Authenticate",
                                      error.code == "missing_key"
                                          ? R"(Bearer realm="roundhouse")"
                                          : R"(Bearer realm="roundhouse", error="invalid_token")");
    }
    return response;
}

}  // namespace rh::http
