#include "http/cors.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rh::http {
namespace {

// What clients send and get here beyond the few headers that CORS lets pass by itself.
constexpr std::string_view kRequestHeaders =
    "Authorization, Content-Type, Content-Encoding, Content-Digest, Repr-Digest, Idempotency-Key, "
    "If-None-Match, Last-Event-ID, Prefer, traceparent";
constexpr std::string_view kAnswerHeaders =
    "Content-Disposition, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, "
    "Repr-Digest, Retry-After, X-Roundhouse-Version, X-Total-Count, X-Trace-Id";
constexpr std::string_view kPreflightSeconds = "600";

}  // namespace

bool is_origin(std::string_view text) {
    std::string_view rest = text;
    if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else {
        return false;
    }
    return !rest.empty() && rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-:[]") ==
                                std::string_view::npos;
}

bool comes_from(const Request& request, std::span<const std::string> origins) {
    const std::string_view origin = request.header("origin");
    return !origin.empty() && std::ranges::find(origins, origin) != origins.end();
}

Headers cors_headers(const Request& request, std::span<const std::string> origins) {
    if (origins.empty()) {
        return {};
    }
    Headers headers = {
        {"Vary", "Origin"}};  // also of answers to others: caches must tell them apart
    if (comes_from(request, origins)) {
        headers.emplace_back("Access-Control-Allow-Origin", request.header("origin"));
        headers.emplace_back("Access-Control-Expose-Headers", kAnswerHeaders);
    }
    return headers;
}

Headers preflight_headers(const Request& request, std::span<const std::string> origins,
                          const std::vector<std::string>& methods) {
    if (!comes_from(request, origins) || request.header("access-control-request-method").empty()) {
        return {};
    }
    return {{"Access-Control-Allow-Methods", fmt::format("{}", fmt::join(methods, ", "))},
            {"Access-Control-Allow-Headers", std::string(kRequestHeaders)},
            {"Access-Control-Max-Age", std::string(kPreflightSeconds)}};
}

}  // namespace rh::http
