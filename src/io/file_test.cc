#include "io/file.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test_directory.h"

namespace rh::io {
namespace {

class LockTest : public ::testing::Test {
  protected:
    std::string path() const { return directory_.path() + "/lock"; }

  private:
    const TestDirectory directory_;
};

TEST_F(LockTest, IsHeldByOneAtATime) {
    {
        const auto first = LockFile::acquire(path());
        ASSERT_TRUE(first);
        const auto second = LockFile::acquire(path());
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, "data_directory_in_use");
    }
    EXPECT_TRUE(LockFile::acquire(path()));
}

// What a killed server leaves: a child between fork and exec, which has the lock's descriptor.
TEST_F(LockTest, WaitsForTheChildOfADeadHolder) {
    std::optional<LockFile> held(LockFile::acquire(path()).value());
    const pid_t child = ::fork();
    if (child == 0) {
        ::usleep(300'000);
        ::_exit(0);
    }
    held.reset();
    const auto next = LockFile::acquire(path());
    EXPECT_TRUE(next) << next.error().message;
    ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace rh::io
