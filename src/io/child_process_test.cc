#include "io/child_process.h"

#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

namespace rh::io {
namespace {

using ::testing::HasSubstr;

ChildProcess spawn_shell(const std::string& script, SpawnOptions options = {}) {
    options.argv = {"/bin/sh", "-c", script};
    auto child = ChildProcess::spawn(options);
    EXPECT_TRUE(child) << child.error().message;
    return std::move(*child);
}

std::string read_all(ChildProcess& child) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (true) {
        auto got = child.read(buffer, 10'000);
        EXPECT_TRUE(got);
        if (!got || *got == 0) {
            return text;
        }
        text.append(buffer.data(), *got);
    }
}

TEST(ChildProcess, PassesInputOutputAndExitCode) {
    auto child =
        spawn_shell("cat; exit 3", {.input = ChildStream::pipe, .output = ChildStream::pipe});
    ASSERT_TRUE(child.write_all("one\n", 10'000));
    ASSERT_TRUE(child.write_all("two\n", 10'000));
    child.close_input();
    EXPECT_EQ(read_all(child), "one\ntwo\n");
    const auto status = child.wait(10'000).value();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, 3);
    EXPECT_EQ(to_string(*status), "exit code 3");
    EXPECT_EQ(child.wait(0).value()->code, 3) << "asked again";
}

TEST(ChildProcess, CarriesMoreThanAPipeHolds) {
    auto child = spawn_shell("cat", {.input = ChildStream::pipe, .output = ChildStream::pipe});
    const std::string bytes(3'000'000, 'x');
    std::thread writer([&] {
        EXPECT_TRUE(child.write_all(bytes, 20'000));
        child.close_input();
    });
    EXPECT_EQ(read_all(child).size(), bytes.size());
    writer.join();
}

TEST(ChildProcess, KeepsTheTailOfStandardErrorAndIsNotBlockedByIt) {
    // 200 kB is more than a pipe holds: the child only ends if somebody reads them.
    auto child = spawn_shell("head -c 200000 /dev/zero | tr '\\0' 'e' >&2; echo last words >&2");
    EXPECT_TRUE(child.wait(20'000).value());
    EXPECT_THAT(child.stderr_tail(), HasSubstr("eeee"));
    EXPECT_THAT(child.stderr_tail(), ::testing::EndsWith("last words\n"));
    EXPECT_EQ(child.stderr_tail().size(), 8192U);
}

TEST(ChildProcess, AppendsStandardErrorToAFile) {
    const std::string path = ::testing::TempDir() + "/child_stderr";
    ::unlink(path.c_str());
    for (const char* word : {"first", "second"}) {
        auto child = spawn_shell(std::string("echo ") + word + " >&2", {.stderr_file = path});
        EXPECT_TRUE(child.wait(10'000).value());
    }
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "first\nsecond\n");
}

TEST(ChildProcess, SaysWhichProgramIsMissing) {
    const auto child = ChildProcess::spawn({.argv = {"/nowhere/program"}});
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, "program_not_found");
    EXPECT_THAT(child.error().message, HasSubstr("/nowhere/program"));
}

TEST(ChildProcess, DeadlinesEndEveryWait) {
    auto child =
        spawn_shell("exec sleep 60", {.input = ChildStream::pipe, .output = ChildStream::pipe});
    EXPECT_FALSE(child.wait(20).value());
    std::array<char, 16> buffer{};
    EXPECT_EQ(child.read(buffer, 20).error().code, "child_timeout");
    EXPECT_EQ(child.write_all(std::string(1'000'000, 'x'), 20).error().code, "child_timeout");
    const auto status = child.terminate(10'000);
    EXPECT_EQ(status->signal, SIGTERM);
}

TEST(ChildProcess, AChildThatStopsReadingIsAnErrorAndNoSignal) {
    auto child = spawn_shell("exec 0<&-; sleep 0.05", {.input = ChildStream::pipe});
    EXPECT_TRUE(child.wait(10'000).value());
    EXPECT_EQ(child.write_all("x", 1'000).error().code, "child_closed_input");
}

TEST(ChildProcess, ChildrenThatIgnoreSigtermAreKilled) {
    auto child = spawn_shell("trap '' TERM; echo ready; while :; do sleep 0.05; done",
                             {.output = ChildStream::pipe});
    std::array<char, 16> buffer{};
    ASSERT_TRUE(child.read(buffer, 10'000));
    EXPECT_EQ(child.terminate(100)->signal, SIGKILL);
}

TEST(ChildProcess, TheDestructorEndsAndReapsTheChild) {
    pid_t pid = 0;
    {
        auto child = spawn_shell("exec sleep 60");
        pid = child.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(ChildProcess, DiesWithTheThreadThatSpawnedIt) {
    std::optional<ChildProcess> child;
    std::thread([&] { child = spawn_shell("exec sleep 60"); }).join();
    const auto status = child->wait(10'000).value();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, SIGKILL);
}

TEST(ChildProcess, InheritsNoOtherDescriptorAndTheGivenEnvironment) {
    const int leaked = ::open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC on purpose
    ::setenv("RH_OLD", "old", 1);
    auto child = spawn_shell("ls /proc/self/fd | wc -l; echo $RH_OLD $RH_NEW; pwd",
                             {.environment = {{"RH_OLD", "replaced"}, {"RH_NEW", "a=b"}},
                              .directory = "/usr",
                              .output = ChildStream::pipe});
    // ls has its three standard descriptors and the directory it reads.
    EXPECT_EQ(read_all(child), "4\nreplaced a=b\n/usr\n");
    ::close(leaked);
}

}  // namespace
}  // namespace rh::io
