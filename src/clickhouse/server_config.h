// The configuration files of the embedded ClickHouse server: what is switched on, who may log in,
// and what a user's query may cost. Text only; clickhouse/server.cc writes it.
#pragma once

#include <cstdint>
#include <string>

namespace rh::clickhouse {

inline constexpr const char* kOwnerUser = "roundhouse";
inline constexpr const char* kReaderUser = "roundhouse_reader";
inline constexpr const char* kDatabase = "roundhouse";

struct ServerConfig {
    std::string directory;  // absolute
    std::string owner_password;
    std::string reader_password;
    uint64_t memory_bytes_max = 0;
};

std::string config_xml(const ServerConfig& config);
std::string users_xml(const ServerConfig& config);
// What `roundhouse clickhouse info` prints of a running server.
std::string connection_json(const ServerConfig& config, uint16_t http_port, uint16_t tcp_port,
                            int pid);

}  // namespace rh::clickhouse
