// Where a ClickHouse is and who logs in, and how a person writes that:
// http://USER:PASSWORD@HOST:PORT or https://… Pure. What is shown of an endpoint never holds the
// user or the password.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rh::io {
class TlsContext;
}

namespace rh::clickhouse {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Endpoint {
    std::string host = "127.0.0.1";
    uint16_t port = 0;
    std::string user = {};
    std::string password = {};
    std::string database = "roundhouse";
    // What messages call it; empty where there is only one ClickHouse. A Client of a named endpoint
    // says shard_unavailable in place of clickhouse_unavailable when it does not answer.
    std::string shard = {};
    Settings settings = {};  // of every statement
    bool https = false;
    std::shared_ptr<const io::TlsContext> tls = {};  // whoever connects an https endpoint sets it
};

// "host:port", with brackets around an IPv6 address.
std::string address_of(const Endpoint& endpoint);

// Characters that stand for others in user or password are percent-encoded; the port may be left
// out (8123, with https 8443). Error invalid_request bad_clickhouse_url, whose message repeats
// nothing of the text, since a password may stand in it.
Result<Endpoint> parse_endpoint(std::string_view url);

// One URL a shard, in the order of the shards, separated by commas; no address may stand twice.
// Each endpoint gets its shard's name, "shard 2 (host:port)". Error: as parse_endpoint().
Result<std::vector<Endpoint>> parse_shards(std::string_view urls);

}  // namespace rh::clickhouse
