// A ClickHouse of its own for the tests of one fixture, with the tables of queries/ in it. The
// program needs clickhouse/test_main.cc.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "clickhouse/store.h"
#include "model/upload_id.h"

namespace rh::sink {

class StoreTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        std::string pattern = ::testing::TempDir() + "rh_sink_XXXXXX";
        directory = ::mkdtemp(pattern.data());
        auto embedded = clickhouse::Store::embed({.directory = directory});
        ASSERT_TRUE(embedded) << embedded.error().message;
        store = std::move(*embedded);
        const auto up = store->wait_until_up({});
        ASSERT_TRUE(up) << up.error().message;
        const auto migrated = store->migrate();
        ASSERT_TRUE(migrated) << migrated.error().message;
    }
    static void TearDownTestSuite() {
        store->stop();
        store.reset();
        std::filesystem::remove_all(directory);
    }
    static std::string ask(const std::string& sql, const model::UploadId& id) {
        auto answer = store->owner(0).query(sql, {{"id", model::to_string(id)}});
        if (!answer) {
            return answer.error().message;
        }
        return answer->substr(0, answer->find('\n'));
    }

    static inline std::string directory;
    static inline std::unique_ptr<clickhouse::Store> store;
};

}  // namespace rh::sink
