#include "app/config.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace rh::app {
namespace {

using testing::HasSubstr;

class ConfigTest : public testing::Test {
  protected:
    ConfigTest() {
        directory_ = testing::TempDir() + "config_test." + std::to_string(getpid());
        std::filesystem::create_directories(directory_);
    }
    ~ConfigTest() override { std::filesystem::remove_all(directory_); }

    std::string file(const std::string& text) const {
        const std::string path = directory_ + "/roundhouse.toml";
        std::ofstream(path) << text;
        return path;
    }
    Result<Resolved> resolve_with(std::map<std::string, std::string, std::less<>> flags,
                                  const std::string& toml,
                                  std::map<std::string, std::string> environment = {}) const {
        Sources sources;
        sources.flags = std::move(flags);
        if (!toml.empty()) {
            sources.file = file(toml);
        }
        sources.environment = [environment = std::move(environment)](const std::string& name) {
            const auto found = environment.find(name);
            return found == environment.end() ? std::nullopt : std::optional(found->second);
        };
        return resolve(sources);
    }
    std::string directory_;
};

const Resolved::Value& value_of(const Resolved& resolved, std::string_view key) {
    for (const auto& value : resolved.values) {
        if (value.option->key == key) {
            return value;
        }
    }
    throw std::runtime_error("no such option");
}

TEST_F(ConfigTest, BrokersAreHostsWithPorts) {
    for (const std::string good : {"", "127.0.0.1:9092", "b-1.example:9092, b_2:9093", "[::1]:9092",
                                   "broker", "SASL_SSL://broker:9092"}) {
        EXPECT_TRUE(resolve_with({{"kafka.brokers", good}}, "").has_value()) << good;
    }
    for (const std::string bad :
         {"http://127.0.0.1:9092", "127.0.0.1:99999", "127.0.0.1:0", "h:1;h:2", "a b:9092", ":9092",
          "a:9092,,b:9092", "a:", "a:9092x", "[::1", "[::1]9092"}) {
        const auto refused = resolve_with({{"kafka.brokers", bad}}, "");
        ASSERT_FALSE(refused.has_value()) << bad;
        EXPECT_EQ(refused.error().code, "bad_setting");
        EXPECT_THAT(refused.error().message, HasSubstr("--kafka-brokers"));
    }
}

TEST_F(ConfigTest, OriginsAreAListOfWholeOrigins) {
    const auto two =
        resolve_with({{"http.cors_origins", "https://a.example, http://localhost:5173"}}, "");
    ASSERT_TRUE(two.has_value()) << two.error().message;
    EXPECT_THAT(two->config.cors_origins(),
                testing::ElementsAre("https://a.example", "http://localhost:5173"));
    EXPECT_THAT(resolve_with({}, "")->config.cors_origins(), testing::IsEmpty());
    for (const std::string bad : {"*", "a.example", "https://a.example/",
                                  "https://a.example,,https://b.example", "ftp://a", "https://"}) {
        const auto refused = resolve_with({{"http.cors_origins", bad}}, "");
        ASSERT_FALSE(refused.has_value()) << bad;
        EXPECT_EQ(refused.error().code, "bad_setting");
        EXPECT_THAT(refused.error().message, HasSubstr("--http-cors-origins"));
    }
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
    const std::string toml = "[http]\nworkers = 3\n";
    const std::map<std::string, std::string> environment = {{"ROUNDHOUSE_HTTP_WORKERS", "4"}};

    const auto nothing = resolve_with({}, "");
    ASSERT_TRUE(nothing.has_value());
    EXPECT_EQ(nothing->config.http_workers, 32U);
    EXPECT_EQ(value_of(*nothing, "http.workers").origin_name, "default");

    const auto by_file = resolve_with({}, toml);
    ASSERT_TRUE(by_file.has_value()) << by_file.error().message;
    EXPECT_EQ(by_file->config.http_workers, 3U);
    EXPECT_EQ(value_of(*by_file, "http.workers").origin, Origin::file);

    const auto by_environment = resolve_with({}, toml, environment);
    ASSERT_TRUE(by_environment.has_value());
    EXPECT_EQ(by_environment->config.http_workers, 4U);
    EXPECT_EQ(value_of(*by_environment, "http.workers").origin_name, "ROUNDHOUSE_HTTP_WORKERS");

    const auto by_flag = resolve_with({{"http.workers", "5"}}, toml, environment);
    ASSERT_TRUE(by_flag.has_value());
    EXPECT_EQ(by_flag->config.http_workers, 5U);
    EXPECT_EQ(value_of(*by_flag, "http.workers").origin_name, "--http-workers");
}

TEST_F(ConfigTest, TheFileMayBeNamedByTheEnvironment) {
    const std::string path = file("listen = \"127.0.0.1:9\"\n");
    const auto resolved = resolve_with({}, "", {{"ROUNDHOUSE_CONFIG", path}});
    ASSERT_TRUE(resolved.has_value());
    EXPECT_EQ(resolved->config.listen_port(), 9);
    EXPECT_EQ(resolved->file, path);
}

TEST_F(ConfigTest, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
    const auto resolved = resolve_with({}, "[http]\nworkres = 3\n");
    ASSERT_FALSE(resolved.has_value());
    EXPECT_EQ(resolved.error().code, "unknown_setting");
    EXPECT_THAT(resolved.error().message, HasSubstr("roundhouse.toml:2"));
    EXPECT_THAT(resolved.error().message, HasSubstr("`http.workres`"));
    EXPECT_THAT(resolved.error().message, HasSubstr("`http.workers`"));
}

TEST_F(ConfigTest, ValuesThatDoNotFitNameTheirPlace) {
    const auto flag = resolve_with({{"http.workers", "0"}}, "");
    ASSERT_FALSE(flag.has_value());
    EXPECT_THAT(flag.error().message, HasSubstr("--http-workers must be a whole number from 1"));
    EXPECT_FALSE(resolve_with({{"http.workers", "1025"}}, "").has_value());
    EXPECT_TRUE(resolve_with({{"http.workers", "1024"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"http.workers", "+4"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"listen", "8080"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"listen", "::1:80"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"listen", "localhost:65536"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"logging.level", "inf"}}, "").has_value());
    EXPECT_FALSE(resolve_with({}, "[avro]\ndeflate = \"yes\"\n").has_value());
    EXPECT_FALSE(resolve_with({}, "[http]\nworkers = \"3\"\n").has_value());
    EXPECT_FALSE(resolve_with({}, "[http\n").has_value());
}

TEST_F(ConfigTest, BytesMayHaveUnits) {
    const auto resolved = resolve_with({{"upload.body_bytes_max", "3 GiB"}},
                                       "[upload]\nunpacked_bytes_max = \"5MiB\"\n");
    ASSERT_TRUE(resolved.has_value()) << resolved.error().message;
    EXPECT_EQ(resolved->config.upload_body_bytes_max, 3ULL << 30);
    EXPECT_EQ(resolved->config.upload_unpacked_bytes_max, 5ULL << 20);
    EXPECT_FALSE(resolve_with({{"upload.body_bytes_max", "99999999999999TiB"}}, "").has_value());
}

TEST_F(ConfigTest, AddressesHaveTwoHalves) {
    const auto v6 = resolve_with({{"listen", "[::1]:0"}}, "");
    ASSERT_TRUE(v6.has_value());
    EXPECT_EQ(v6->config.listen_address(), "::1");
    EXPECT_EQ(v6->config.listen_port(), 0);
}

TEST_F(ConfigTest, SecretsComeFromTheEnvironmentAndAreNeverShown) {
    const auto resolved = resolve_with({}, "", {{"ROUNDHOUSE_API_KEY", "rh_very_secret"}});
    ASSERT_TRUE(resolved.has_value());
    EXPECT_EQ(resolved->config.api_key, "rh_very_secret");
    EXPECT_EQ(value_of(*resolved, "api_key").value, "(set)");
    const auto in_file = resolve_with({}, "api_key = \"rh_very_secret\"\n");
    ASSERT_FALSE(in_file.has_value());
    EXPECT_THAT(in_file.error().message, HasSubstr("ROUNDHOUSE_API_KEY"));
}

TEST_F(ConfigTest, TheStoreIsEmbeddedOrOneUrlAShard) {
    EXPECT_TRUE(resolve_with({}, "")->config.shards()->empty());
    EXPECT_TRUE(resolve_with({{"store", "embedded"}}, "")->config.shards()->empty());
    const auto resolved =
        resolve_with({}, "store = \"http://u:secret@a:1,http://u@b:2,http://c:3\"\n",
                     {{"ROUNDHOUSE_CLICKHOUSE_PASSWORD", "other"}});
    ASSERT_TRUE(resolved.has_value()) << resolved.error().message;
    const auto shards = *resolved->config.shards();
    ASSERT_EQ(shards.size(), 3U);
    EXPECT_EQ(shards[0].password, "secret");
    EXPECT_EQ(shards[1].password, "other");
    EXPECT_EQ(shards[2].password, "");
    EXPECT_EQ(value_of(*resolved, "store").value, "http://***@a:1,http://***@b:2,http://c:3");
    EXPECT_EQ(value_of(*resolved, "clickhouse.password").value, "(set)");
}

TEST_F(ConfigTest, AUrlIsShownWithoutItsLogin) {
    for (const auto& [url, shown] : std::initializer_list<std::pair<std::string, std::string>>{
             {"http://registry:8081", "http://registry:8081"},
             {"http://[::1]:8081/a@b", "http://[::1]:8081/a@b"},
             {"https://registry/a@b", "https://registry/a@b"},
             {"http://u:secret@registry:8081/path", "http://***@registry:8081/path"},
             {"http://u@registry", "http://***@registry"},
             {"http://u:se@cr@et@registry:8081/a@b", "http://***@registry:8081/a@b"},
             {"http://u:sec/r@et@registry:8081", "http://***@registry:8081"},
             {"http://u:sec?ret@registry", "http://***@registry"},
             {"u:sec@ret@registry:8081", "***@registry:8081"}}) {
        for (const std::string key : {"registry.url", "server"}) {
            const auto resolved = resolve_with({{key, url}}, "");
            ASSERT_TRUE(resolved.has_value()) << resolved.error().message;
            EXPECT_EQ(value_of(*resolved, key).value, shown);
        }
    }
}

TEST_F(ConfigTest, HttpsNeedsCaCertificatesAndIsShown) {
    const auto resolved = resolve_with(
        {}, "store = \"https://u:secret@a,http://b\"\n[tls]\nca_file = \"/nowhere.pem\"\n");
    ASSERT_TRUE(resolved.has_value()) << resolved.error().message;
    EXPECT_EQ(value_of(*resolved, "store").value, "https://***@a:8443,http://b:8123");
    const auto shards = resolved->config.shards();
    ASSERT_FALSE(shards.has_value());
    EXPECT_EQ(shards.error().code, "tls_ca_file");
    EXPECT_THAT(shards.error().message, HasSubstr("/nowhere.pem"));
}

TEST_F(ConfigTest, AStoreThatIsNoneIsRefusedWithoutItsPassword) {
    for (const std::string bad :
         {"http://u:secret@a:1/path", "http://u:secret@a:1,", "u:secret@a", "http://u:sec,ret@a"}) {
        const auto resolved = resolve_with({}, "", {{"ROUNDHOUSE_STORE", bad}});
        ASSERT_FALSE(resolved.has_value()) << bad;
        EXPECT_EQ(resolved.error().code, "bad_setting");
        EXPECT_THAT(resolved.error().message, HasSubstr("ROUNDHOUSE_STORE"));
        EXPECT_THAT(resolved.error().message, testing::Not(HasSubstr("sec"))) << bad;
    }
}

TEST_F(ConfigTest, ANameOfAClusterIsNoSql) {
    EXPECT_TRUE(resolve_with({{"clickhouse.cluster", "a_B-1.x"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"clickhouse.cluster", "a', b"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"clickhouse.cluster", ""}}, "").has_value());
    EXPECT_TRUE(resolve_with({{"kafka.topic", "a_B-1.x"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"kafka.topic", "bad topic!"}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"kafka.control_topic", ""}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"kafka.topic", ".."}}, "").has_value());
    EXPECT_TRUE(resolve_with({{"kafka.topic", std::string(249, 'a')}}, "").has_value());
    EXPECT_FALSE(resolve_with({{"kafka.topic", std::string(250, 'a')}}, "").has_value());
}

TEST_F(ConfigTest, EveryOptionIsReadFromEachOfItsNames) {
    std::set<std::string> flags;
    std::set<std::string> variables;
    for (const Option& option : options()) {
        EXPECT_TRUE(flags.insert(flag_of(option)).second) << option.key;
        EXPECT_TRUE(variables.insert(environment_of(option)).second) << option.key;
        EXPECT_THAT(reference_page(), HasSubstr(environment_of(option)));
        EXPECT_THAT(reference_page(), HasSubstr(std::string(option.what)));
    }
    EXPECT_EQ(variables.count("ROUNDHOUSE_UPLOAD_FREE_DISK_BYTES_MIN"), 1U);
    EXPECT_EQ(flags.count("--upload-free-disk-bytes-min"), 1U);
}

}  // namespace
}  // namespace rh::app
