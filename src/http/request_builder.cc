#include "http/request_builder.h"

#include <algorithm>
#include <array>
#include <random>

#include <fmt/format.h>

#include "base/utf8.h"
#include "http/cors.h"
#include "http/text.h"

namespace rh::http {
namespace {

std::unexpected<Error> bad_encoding(std::string_view where) {
    return fail(ErrorKind::invalid_request, "bad_encoding",
                fmt::format("The {} has a % without two hex digits, or bytes that are no valid "
                            "UTF-8.",
                            where));
}

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string random_trace_id() {
    // One generator a thread, seeded once: ids need to be distinct, not secret.
    thread_local std::mt19937_64 generator{[] {
        std::random_device device;
        return (static_cast<uint64_t>(device()) << 32) | device();
    }()};
    return fmt::format("{:016x}{:016x}", generator() | 1, generator());
}

Result<void> decode_query(std::string_view text, Request& request) {
    while (!text.empty()) {
        const size_t end = std::min(text.find('&'), text.size());
        const std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) {
            continue;
        }
        const size_t equals = std::min(pair.find('='), pair.size());
        const auto name = percent_decode(pair.substr(0, equals), true);
        const auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
        if (!name || !value || !is_valid_utf8(*name) || !is_valid_utf8(*value)) {
            return bad_encoding("query");
        }
        request.query.emplace_back(*name, *value);
    }
    return {};
}

std::string_view host_without_port(std::string_view host) {
    if (host.starts_with('[')) {
        return host.substr(0, host.find(']') + 1);
    }
    return host.substr(0, host.find(':'));
}

bool is_loopback_host(std::string_view host) {
    const std::string name = to_lower(host_without_port(host));
    const bool address =
        name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos;
    return name == "localhost" || name.ends_with(".localhost") || name == "[::1]" || address;
}

}  // namespace

std::string trace_id_of(std::string_view traceparent) {
    constexpr size_t kBytes = 55;  // 00-<32>-<16>-<2>; later versions may add to it
    const bool shaped =
        traceparent.size() >= kBytes && traceparent[2] == '-' && traceparent[35] == '-' &&
        traceparent[52] == '-' && is_lower_hex(traceparent.substr(0, 2)) &&
        is_lower_hex(traceparent.substr(3, 32)) && is_lower_hex(traceparent.substr(36, 16)) &&
        is_lower_hex(traceparent.substr(53, 2)) && !traceparent.starts_with("ff");
    const bool version_ok =
        shaped && (traceparent.size() == kBytes ||
                   (!traceparent.starts_with("00") && traceparent[kBytes] == '-'));
    if (!version_ok || traceparent.substr(3, 32).find_first_not_of('0') == std::string::npos ||
        traceparent.substr(36, 16).find_first_not_of('0') == std::string::npos) {
        return random_trace_id();
    }
    return std::string(traceparent.substr(3, 32));
}

Result<Request> build_request(Head head, std::string peer) {
    Request request;
    request.method = std::move(head.method);
    request.target = std::move(head.target);
    request.headers = std::move(head.headers);
    request.peer = std::move(peer);
    request.trace_id = trace_id_of(request.header("traceparent"));
    const std::string_view target = request.target;
    const size_t question = std::min(target.find('?'), target.size());
    const auto path = percent_decode(target.substr(0, question), false);
    if (!path || !is_valid_utf8(*path) || path->contains('\0')) {
        return bad_encoding("path");
    }
    request.path = *path;
    RH_TRY(decode_query(target.substr(std::min(question + 1, target.size())), request));
    return request;
}

Result<void> check_origin(const Request& request, const std::function<bool()>& loopback_hosts_only,
                          std::span<const std::string> cors_origins) {
    const std::string_view host = request.header("host");
    if (!host.empty() && !is_loopback_host(host) && loopback_hosts_only()) {
        return fail(ErrorKind::forbidden, "foreign_host",
                    fmt::format("Without API keys this server answers only to localhost, not to "
                                "{}. Create a key (roundhouse keys create) to serve other names.",
                                host));
    }
    const std::string_view origin = request.header("origin");
    const bool reads =
        request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
    if (reads || origin.empty() || comes_from(request, cors_origins)) {
        return {};
    }
    const size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos || !equal_ignoring_case(origin.substr(scheme + 3), host)) {
        return fail(ErrorKind::forbidden, "cross_origin",
                    fmt::format("A page of {} may not change anything here.", origin));
    }
    return {};
}

}  // namespace rh::http
