#include "clickhouse/server_config.h"

#include <fmt/format.h>

namespace rh::clickhouse {
namespace {

std::string xml_text(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '<' || c == '>' || c == '&') {
            escaped += fmt::format("&#{};", static_cast<int>(c));
        } else {
            escaped += c;
        }
    }
    return escaped;
}

}  // namespace

std::string config_xml(const ServerConfig& config) {
    // query_log is the only log table: tests and people look into it; the others (trace, metric,
    // text, part …) exist only if they are configured, and cost processor time all day.
    constexpr std::string_view kText = R"(<clickhouse>
    <logger>
        <level>information</level>
        <log>{directory}/log/clickhouse.log</log>
        <errorlog>{directory}/log/clickhouse.err.log</errorlog>
        <size>10M</size>
        <count>3</count>
    </logger>
    <users_config>users.xml</users_config>
    <listen_host>127.0.0.1</listen_host>
    <max_server_memory_usage>{memory}</max_server_memory_usage>
    <mark_cache_size>{mark_cache}</mark_cache_size>
    <max_concurrent_queries>100</max_concurrent_queries>
    <merge_tree>
        <!-- After a power cut many parts may be broken; replays repair them, refusing to start
             does not. -->
        <max_suspicious_broken_parts>1000000</max_suspicious_broken_parts>
        <max_suspicious_broken_parts_bytes>1000000000000</max_suspicious_broken_parts_bytes>
    </merge_tree>
    <query_log>
        <database>system</database>
        <table>query_log</table>
        <ttl>event_date + INTERVAL 3 DAY DELETE</ttl>
        <flush_interval_milliseconds>1000</flush_interval_milliseconds>
    </query_log>
</clickhouse>
)";
    return fmt::format(kText, fmt::arg("directory", xml_text(config.directory)),
                       fmt::arg("memory", config.memory_bytes_max),
                       fmt::arg("mark_cache", config.memory_bytes_max / 20));
}

std::string users_xml(const ServerConfig& config) {
    // `default` is the session that opens the ports. It needs no password because it may do nothing
    // else. The reader may set what shapes an answer, but not lift a limit.
    constexpr std::string_view kText = R"(<clickhouse>
    <profiles>
        <default>
            <async_insert>0</async_insert>
            <log_queries>1</log_queries>
        </default>
        <reader>
            <readonly>2</readonly>
            <max_execution_time>60</max_execution_time>
            <max_memory_usage>{query_memory}</max_memory_usage>
            <max_result_rows>1000000</max_result_rows>
            <result_overflow_mode>throw</result_overflow_mode>
            <max_concurrent_queries_for_user>50</max_concurrent_queries_for_user>
            <constraints>
                <readonly><const/></readonly>
                <max_execution_time><min>1</min><max>60</max></max_execution_time>
                <max_memory_usage><min>1</min><max>{query_memory}</max></max_memory_usage>
                <max_result_rows><min>1</min><max>1000000</max></max_result_rows>
                <result_overflow_mode><const/></result_overflow_mode>
                <timeout_overflow_mode><const/></timeout_overflow_mode>
                <max_concurrent_queries_for_user><const/></max_concurrent_queries_for_user>
            </constraints>
        </reader>
    </profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password/>
            <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
        </default>
        <{owner}>
            <password>{owner_password}</password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>
                <query>GRANT ALL ON {database}.*</query>
                <query>GRANT SELECT, SHOW ON *.*</query>
                <query>GRANT SYSTEM, KILL QUERY, CREATE TEMPORARY TABLE ON *.*</query>
                <query>GRANT TABLE ENGINE ON *</query>
            </grants>
        </{owner}>
        <{reader}>
            <password>{reader_password}</password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>reader</profile>
            <quota>default</quota>
            <grants><query>GRANT SELECT ON {database}.*</query></grants>
        </{reader}>
    </users>
</clickhouse>
)";
    return fmt::format(
        kText, fmt::arg("query_memory", config.memory_bytes_max / 4), fmt::arg("owner", kOwnerUser),
        fmt::arg("reader", kReaderUser), fmt::arg("owner_password", config.owner_password),
        fmt::arg("reader_password", config.reader_password), fmt::arg("database", kDatabase));
}

std::string connection_json(const ServerConfig& config, uint16_t http_port, uint16_t tcp_port,
                            int pid) {
    // Ports, hexadecimal passwords and the names above need no escaping.
    return fmt::format(
        R"({{"url":"http://127.0.0.1:{}","tcp_port":{},"database":"{}","pid":{},)"
        R"("owner":{{"user":"{}","password":"{}"}},"reader":{{"user":"{}","password":"{}"}}}})"
        "\n",
        http_port, tcp_port, kDatabase, pid, kOwnerUser, config.owner_password, kReaderUser,
        config.reader_password);
}

}  // namespace rh::clickhouse
