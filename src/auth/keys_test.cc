#include "auth/keys.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/test_directory.h"
#include "io/file.h"

namespace rh::auth {
namespace {

using http::Scope;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class KeysTest : public ::testing::Test {
  protected:
    std::string code_of(KeyRing& ring, const std::string& authorization) {
        const auto principal = ring.authenticate(authorization);
        return principal ? "" : principal.error().code;
    }

    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
};

TEST_F(KeysTest, WithoutKeysEverythingIsAllowed) {
    const auto ring = *KeyRing::open(directory_);
    EXPECT_FALSE(ring->has_keys());
    EXPECT_THAT(ring->authenticate("")->scopes, ElementsAre(Scope::admin));
}

TEST_F(KeysTest, AKeyIsKeptAsAHashForItsOwnerOnly) {
    KeyFile file(directory_);
    const auto created = file.create("ingest", {Scope::upload, Scope::read});
    ASSERT_TRUE(created.has_value());
    EXPECT_TRUE(created->secret.starts_with("rh_"));
    EXPECT_EQ(created->secret.size(), 46U);
    const std::string text = *io::read_file(file.path());
    EXPECT_THAT(text, Not(HasSubstr(created->secret)));
    EXPECT_THAT(text, HasSubstr(created->key.sha256));
    struct stat info{};
    ASSERT_EQ(::stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(KeysTest, AFirstKeyIsMadeOnceForTheOwnerOfItsFileOnly) {
    const std::string path = directory_ + "/first.key";
    std::ofstream(path) << "of a start that was cut short";
    KeyFile file(directory_);
    ASSERT_TRUE(file.ensure_first(path).has_value());
    const std::string secret = *io::read_file(path);
    ASSERT_TRUE(secret.ends_with('\n'));
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    const auto ring = *KeyRing::open(directory_);
    const auto principal = ring->authenticate("Bearer " + secret.substr(0, secret.size() - 1));
    ASSERT_TRUE(principal.has_value());
    EXPECT_THAT(principal->scopes, ElementsAre(Scope::admin));

    ASSERT_TRUE(file.revoke("first").has_value());
    ASSERT_TRUE(file.ensure_first(path).has_value());
    EXPECT_EQ(*io::read_file(path), secret);
    EXPECT_EQ(file.list()->size(), 1U);
}

TEST_F(KeysTest, ARunningServerSeesNewAndRevokedKeys) {
    const auto ring = *KeyRing::open(directory_);
    KeyFile file(directory_);
    const auto first = *file.create("one", {Scope::upload});
    const auto second = *file.create("two", {Scope::read});
    EXPECT_NE(first.secret, second.secret);
    const auto principal = ring->authenticate("Bearer " + first.secret);
    ASSERT_TRUE(principal.has_value());
    EXPECT_EQ(principal->key_name, "one");
    EXPECT_EQ(principal->key_id, first.key.id);
    EXPECT_THAT(principal->scopes, ElementsAre(Scope::upload));
    EXPECT_EQ(code_of(*ring, "bearer   " + second.secret), "");
    EXPECT_EQ(code_of(*ring, ""), "missing_key");
    EXPECT_EQ(code_of(*ring, first.secret), "invalid_key");
    EXPECT_EQ(code_of(*ring, "Basic " + first.secret), "invalid_key");
    EXPECT_EQ(code_of(*ring, "Bearer rh_"), "invalid_key");
    EXPECT_EQ(code_of(*ring, "Bearer " + first.secret + "x"), "invalid_key");
    EXPECT_EQ(code_of(*ring, "Bearer " + first.key.sha256), "invalid_key");

    ASSERT_TRUE(file.revoke("one").has_value());
    EXPECT_EQ(code_of(*ring, "Bearer " + first.secret), "invalid_key");
    ASSERT_TRUE(file.revoke(second.key.id).has_value());
    // Revoked keys are keys: the server does not open up.
    EXPECT_EQ(code_of(*ring, ""), "missing_key");
    EXPECT_EQ(file.list()->size(), 2U);
}

TEST_F(KeysTest, ALostOrDamagedFileRefusesEverybody) {
    KeyFile file(directory_);
    const auto key = *file.create("one", {Scope::upload});
    const auto ring = *KeyRing::open(directory_);
    std::ofstream(file.path()) << "{\"keys\":[{}]}";
    EXPECT_EQ(code_of(*ring, "Bearer " + key.secret), "keys_unreadable");
    std::filesystem::remove(file.path());
    EXPECT_EQ(code_of(*ring, ""), "keys_unreadable");
    std::ofstream(file.path()) << "not json";
    EXPECT_EQ(KeyRing::open(directory_).error().code, "keys_unreadable");
    EXPECT_EQ(file.create("two", {Scope::read}).error().code, "keys_unreadable");
}

TEST_F(KeysTest, NamesAndScopesAreChecked) {
    KeyFile file(directory_);
    EXPECT_EQ(file.create("", {Scope::read}).error().code, "bad_key_name");
    EXPECT_EQ(file.create(std::string(65, 'a'), {Scope::read}).error().code, "bad_key_name");
    EXPECT_TRUE(file.create(std::string(64, 'a'), {Scope::read}).has_value());
    EXPECT_EQ(file.create("a\nb", {Scope::read}).error().code, "bad_key_name");
    EXPECT_EQ(file.create("a", {}).error().code, "unknown_scope");
    EXPECT_EQ(parse_scopes("upload,write").error().code, "unknown_scope");
    EXPECT_EQ(parse_scopes(" ").error().code, "unknown_scope");
    EXPECT_THAT(*parse_scopes("upload, read,upload"), ElementsAre(Scope::upload, Scope::read));
    EXPECT_EQ(file.revoke("nobody").error().code, "key_not_found");
    ASSERT_TRUE(file.create("twin", {Scope::read}).has_value());
    ASSERT_TRUE(file.create("twin", {Scope::read}).has_value());
    EXPECT_EQ(file.revoke("twin").error().code, "key_ambiguous");
}

TEST(Loopback, Addresses) {
    for (const std::string_view yes : {"127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"}) {
        EXPECT_TRUE(is_loopback(yes)) << yes;
    }
    for (const std::string_view no :
         {"0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "127.", "", "::ffff:127.0.0.1"}) {
        EXPECT_FALSE(is_loopback(no)) << no;
    }
}

}  // namespace
}  // namespace rh::auth
