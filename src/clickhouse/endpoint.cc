#include "clickhouse/endpoint.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/trim.h"

namespace rh::clickhouse {
namespace {

constexpr uint16_t kPortDefault = 8123;
constexpr uint16_t kHttpsPortDefault = 8443;

std::unexpected<Error> bad_url(std::string_view why) {
    return fail(ErrorKind::invalid_request, "bad_clickhouse_url",
                fmt::format("A ClickHouse URL is written http://HOST:PORT, "
                            "http://USER:PASSWORD@HOST:PORT or https://…; {}.",
                            why));
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            decoded += text[at];
            continue;
        }
        const std::string_view digits = text.substr(at + 1, 2);
        unsigned value = 0;
        const auto parsed =
            std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() != 2 || parsed.ptr != digits.data() + digits.size()) {
            return std::nullopt;
        }
        decoded += static_cast<char>(value);
        at += 2;
    }
    return decoded;
}

bool is_host(std::string_view text) {
    return !text.empty() && text.find_first_of(" /?#@:[]%") == std::string_view::npos;
}

}  // namespace

std::string address_of(const Endpoint& endpoint) {
    const bool v6 = endpoint.host.contains(':');
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", endpoint.host, v6 ? "]" : "", endpoint.port);
}

Result<Endpoint> parse_endpoint(std::string_view url) {
    const size_t scheme_end = url.find("://");
    const std::string_view scheme = url.substr(0, std::min(scheme_end, url.size()));
    if (scheme_end == std::string_view::npos || (scheme != "http" && scheme != "https")) {
        return bad_url("this one does not begin with http:// or https://");
    }
    url.remove_prefix(scheme_end + 3);
    if (url.ends_with('/')) {
        url.remove_suffix(1);
    }
    Endpoint endpoint;
    endpoint.https = scheme == "https";
    if (const size_t at = url.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = url.substr(0, at);
        const size_t colon = std::min(login.find(':'), login.size());
        const auto user = percent_decoded(login.substr(0, colon));
        const auto password = percent_decoded(login.substr(std::min(colon + 1, login.size())));
        if (!user || !password) {
            return bad_url("a % in user or password is written %25");
        }
        endpoint.user = *user;
        endpoint.password = *password;
        url.remove_prefix(at + 1);
    }
    std::string_view port;
    const bool v6 = url.starts_with('[');
    const size_t end = v6 ? url.find(']') : std::min(url.find(':'), url.size());
    if (end == std::string_view::npos) {
        return bad_url("this one has a [ without a ]");
    }
    endpoint.host = url.substr(v6 ? 1 : 0, v6 ? end - 1 : end);
    port = url.substr(v6 ? end + 1 : end);
    if (v6 ? endpoint.host.empty() : !is_host(endpoint.host)) {
        return bad_url("this one has no host, or a path behind it");
    }
    endpoint.port = endpoint.https ? kHttpsPortDefault : kPortDefault;
    if (!port.empty()) {
        const std::string_view digits = port.substr(1);
        const auto parsed =
            std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
        if (port[0] != ':' || parsed.ec != std::errc{} || endpoint.port == 0 ||
            parsed.ptr != digits.data() + digits.size()) {
            return bad_url("the port of this one is none");
        }
    }
    return endpoint;
}

Result<std::vector<Endpoint>> parse_shards(std::string_view urls) {
    std::vector<Endpoint> shards;
    while (true) {
        const size_t comma = urls.find(',');
        auto shard = parse_endpoint(trim_blanks(urls.substr(0, comma), kBlanksAndLineEnds));
        const std::string which = fmt::format("Of shard {}: ", shards.size() + 1);
        if (!shard) {
            shard.error().message = which + shard.error().message;
            return std::unexpected(std::move(shard).error());
        }
        const std::string address = address_of(*shard);
        if (std::ranges::find(shards, address, address_of) != shards.end()) {
            return fail(ErrorKind::invalid_request, "bad_clickhouse_url",
                        fmt::format("{}the address {} stands twice.", which, address));
        }
        shard->shard = fmt::format("shard {} ({})", shards.size() + 1, address);
        shards.push_back(std::move(*shard));
        if (comma == std::string_view::npos) {
            return shards;
        }
        urls.remove_prefix(comma + 1);
    }
}

}  // namespace rh::clickhouse
