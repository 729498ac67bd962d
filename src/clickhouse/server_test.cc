#include "clickhouse/server.h"

#include <csignal>
#include <fstream>
#include <functional>
#include <stop_token>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "clickhouse/test_server.h"
#include "io/file.h"
#include "io/stream.h"

namespace rh::clickhouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

unsigned mode_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777U;
}

// Waits for what must come; the test fails by its own limit of time if it does not.
void wait_for(const std::function<bool()>& condition) {
    for (int i = 0; i < 1'500 && !condition(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(condition());
}

using ServerRuns = ServerTest;

TEST_F(ServerRuns, AnswersItsOwnerAndReader) {
    EXPECT_TRUE(server->is_up());
    EXPECT_EQ(ask("SELECT currentUser(), currentDatabase()"), "roundhouse\troundhouse");
    EXPECT_EQ(Client(server->reader()).query("SELECT currentUser()").value(),
              "roundhouse_reader\n");
    EXPECT_NE(::kill(server->pid(), 0), -1);
}

TEST_F(ServerRuns, SecretsAreTheOwnersOnly) {
    EXPECT_EQ(mode_of(directory), 0700U);
    for (const char* name : {"/credentials", "/connection.json", "/config/users.xml"}) {
        EXPECT_EQ(mode_of(directory + name), 0600U) << name;
    }
    const std::string json = io::read_file(directory + "/connection.json").value();
    EXPECT_THAT(json, HasSubstr(server->owner().password));
    EXPECT_THAT(json, HasSubstr(server->reader().password));
    EXPECT_THAT(json, HasSubstr("\"url\":\"http://127.0.0.1:"));
}

TEST_F(ServerRuns, TheReaderMayOnlyReadRoundhouse) {
    const Client reader(server->reader());
    EXPECT_TRUE(reader.query("SELECT count() FROM hourly"));
    EXPECT_TRUE(reader.query("SELECT 1", {}, {{"max_execution_time", "5"}}));
    for (const char* sql :
         {"INSERT INTO hourly (rounds) VALUES (1)", "DROP TABLE hourly", "TRUNCATE TABLE hourly",
          "CREATE TABLE x (a UInt8) ENGINE = Memory",
          "SELECT * FROM file('/etc/passwd', 'LineAsString')",
          "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SYSTEM SHUTDOWN",
          "SELECT query FROM system.query_log", "SET max_execution_time = 0",
          "SET max_memory_usage = 0", "SET readonly = 0",
          "SELECT 1 SETTINGS max_result_rows = 100000000", "SELECT number FROM numbers(2000000)"}) {
        EXPECT_FALSE(reader.query(sql)) << sql;
    }
    EXPECT_EQ(reader.query("SELECT number FROM numbers(2000000)").error().code,
              "clickhouse_query_limit");
}

TEST_F(ServerRuns, DefaultMayNothingAndWrongPasswordsAreRefused) {
    Endpoint endpoint = server->owner();
    endpoint.password = "wrong";
    EXPECT_THAT(Client(endpoint).query("SELECT 1").error().message, HasSubstr("Code: 516"));
    endpoint.user = "default";
    endpoint.password = "";
    endpoint.database = "system";
    EXPECT_FALSE(Client(endpoint).query("SELECT * FROM roundhouse.game_rounds"));
    EXPECT_FALSE(Client(endpoint).query("CREATE DATABASE other"));
}

TEST_F(ServerRuns, TheOwnerMayNotLeaveItsDatabase) {
    EXPECT_THAT(ask("CREATE TABLE default.x (a UInt8) ENGINE = Memory"), HasSubstr("Code: 497"));
    EXPECT_THAT(ask("SELECT * FROM file('/etc/passwd', 'LineAsString')"), HasSubstr("Code: 497"));
}

TEST_F(ServerRuns, ListensOnLoopbackOnlyAndWithoutCostlyLogs) {
    EXPECT_EQ(ask("SYSTEM FLUSH LOGS"), "");
    EXPECT_EQ(ask("SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = 'system' "
                  "AND name LIKE '%\\_log'"),
              "['query_log']");
    // A line of /proc/net/tcp for each listening socket: 0100007F is 127.0.0.1.
    std::ifstream file("/proc/net/tcp");
    const std::string sockets(std::istreambuf_iterator<char>(file), {});
    const std::string port = fmt::format(":{:04X} ", server->owner().port);
    EXPECT_THAT(sockets, HasSubstr("0100007F" + port + "00000000:0000 0A"));
    EXPECT_THAT(sockets, Not(HasSubstr("00000000" + port)));
    EXPECT_EQ(ask("SELECT value FROM system.settings WHERE name = 'async_insert'"), "0");
    EXPECT_EQ(ask("SELECT value FROM system.merge_tree_settings "
                  "WHERE name = 'max_suspicious_broken_parts'"),
              "1000000");
}

TEST_F(ServerRuns, IsStartedAgainAfterAKillWithTheSameEndpointAndData) {
    ASSERT_EQ(ask("CREATE TABLE IF NOT EXISTS kept (a UInt8) ENGINE = MergeTree ORDER BY a"), "");
    ASSERT_EQ(ask("INSERT INTO kept VALUES (7)"), "");
    const Endpoint before = server->owner();
    for (uint64_t i = 1; i <= 2; ++i) {
        const uint64_t restarts = server->restarts();
        ::kill(server->pid(), SIGKILL);
        wait_for([&] { return server->restarts() > restarts && server->is_up(); });
        wait_for([&] { return ask("SELECT a FROM kept") == "7"; });
    }
    EXPECT_EQ(server->owner().port, before.port);
    EXPECT_EQ(server->owner().password, before.password);
}

TEST(Server, EndsItsChildAndKeepsThePasswords) {
    const std::string directory = ::testing::TempDir() + "rh_server_ends";
    std::filesystem::remove_all(directory);
    std::string password;
    for (int round = 0; round < 2; ++round) {
        auto server = Server::start({.directory = directory}).value();
        ASSERT_TRUE(server->wait_until_up());
        const int pid = server->pid();
        const Endpoint owner = server->owner();
        EXPECT_TRUE(round == 0 || owner.password == password);
        password = owner.password;
        server.reset();
        EXPECT_EQ(::kill(pid, 0), -1) << "the child still runs";
        EXPECT_EQ(Client(owner).ping().error().code, "clickhouse_unavailable");
        EXPECT_FALSE(io::exists(directory + "/connection.json"));
    }
    std::filesystem::remove_all(directory);
}

// What is wrong with a server that is told to start so.
Error failure_of(const ServerOptions& options) {
    const auto server = Server::start(options);
    if (!server) {
        return server.error();
    }
    const auto up = (*server)->wait_until_up();
    return up ? Error{} : up.error();
}

TEST(Server, TakesOtherPortsWhenItsOwnAreTaken) {
    // Two servers at once, the second one told to take the first one's port: it says so.
    const std::string directory = ::testing::TempDir() + "rh_server_ports";
    std::filesystem::remove_all(directory);
    auto first = Server::start({.directory = directory + "/1"}).value();
    ASSERT_TRUE(first->wait_until_up());
    const Error taken =
        failure_of({.directory = directory + "/2", .http_port = first->owner().port});
    EXPECT_EQ(taken.code, "clickhouse_not_started");
    EXPECT_THAT(taken.message, HasSubstr("Address already in use"));
    // Not a server that answers by HTTP and then ends, because its other port is taken.
    const Error taken_tcp =
        failure_of({.directory = directory + "/2", .tcp_port = first->owner().port});
    EXPECT_THAT(taken_tcp.message, HasSubstr("Address already in use"));
    EXPECT_EQ(failure_of({.directory = directory + "/3"}).code, "");
    first.reset();
    std::filesystem::remove_all(directory);
}

TEST(Server, StartsAgainWhatIsKilledBeforeItAnswers) {
    const std::string directory = ::testing::TempDir() + "rh_server_killed_early";
    std::filesystem::remove_all(directory);
    auto server = Server::start({.directory = directory}).value();
    int killed = 0;
    for (uint64_t i = 0; i < 3; ++i) {
        wait_for([&] { return server->pid() != 0 && server->pid() != killed; });
        killed = server->pid();
        ::kill(killed, SIGKILL);
        wait_for([&] { return server->restarts() > i; });
    }
    EXPECT_TRUE(server->wait_until_up());
    EXPECT_TRUE(server->is_up());
    server.reset();
    std::filesystem::remove_all(directory);
}

TEST(Server, IsStoppedBeforeItAnswers) {
    const std::string directory = ::testing::TempDir() + "rh_server_stopped_early";
    std::filesystem::remove_all(directory);
    auto server = Server::start({.directory = directory}).value();
    wait_for([&] { return server->pid() != 0; });
    const int pid = server->pid();
    ::kill(pid, SIGSTOP);  // it would never answer
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(server->wait_until_up(stop.get_token()).error().code, "stopping");
    server->stop();
    EXPECT_EQ(server->wait_until_up().error().code, "stopping");
    EXPECT_EQ(::kill(pid, 0), -1) << "the child still runs";
    server.reset();
    std::filesystem::remove_all(directory);
}

TEST(Server, SaysWhyItCannotStart) {
    const std::string directory = ::testing::TempDir() + "rh_server_fails";
    std::filesystem::remove_all(directory);
    // Said at once, before anything is started.
    const auto no_library =
        Server::start({.directory = directory, .libchdb = "/nowhere/libchdb.so"});
    ASSERT_FALSE(no_library);
    EXPECT_EQ(no_library.error().code, "clickhouse_not_started");
    EXPECT_THAT(no_library.error().message, HasSubstr("/nowhere/libchdb.so"));

    const Error other_library = failure_of({.directory = directory, .libchdb = "/bin/true"});
    EXPECT_EQ(other_library.code, "clickhouse_not_started");
    EXPECT_THAT(other_library.message, HasSubstr("/bin/true"));
    EXPECT_THAT(other_library.message, Not(HasSubstr("\n")));

    EXPECT_EQ(failure_of({.directory = directory, .program = "/nowhere/roundhouse"}).code,
              "program_not_found");
    EXPECT_EQ(Server::start({.directory = "relative"}).error().code, "directory_not_absolute");
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace rh::clickhouse
