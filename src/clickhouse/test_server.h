// One embedded server for all tests of this program, with the tables of queries/ in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "clickhouse/client.h"
#include "clickhouse/migrate.h"
#include "clickhouse/server.h"

namespace rh::clickhouse {

class ServerTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        std::string pattern = ::testing::TempDir() + "rh_clickhouse_XXXXXX";
        directory = ::mkdtemp(pattern.data());
        auto started = Server::start({.directory = directory});
        ASSERT_TRUE(started) << started.error().message;
        server = std::move(*started);
        const auto up = server->wait_until_up();
        ASSERT_TRUE(up) << up.error().message;
        const auto migrated = migrate(Client(server->owner()));
        ASSERT_TRUE(migrated) << migrated.error().message;
    }
    static void TearDownTestSuite() {
        server.reset();
        std::filesystem::remove_all(directory);
    }
    // The answer without its last line end, or the error's message.
    static std::string ask(const std::string& sql, const Parameters& parameters = {},
                           const Settings& settings = {}) {
        auto answer = Client(server->owner()).query(sql, parameters, settings);
        if (!answer) {
            return answer.error().code + ": " + answer.error().message;
        }
        if (answer->ends_with('\n')) {
            answer->pop_back();
        }
        return *answer;
    }

    static inline std::string directory;
    static inline std::unique_ptr<Server> server;
};

}  // namespace rh::clickhouse
