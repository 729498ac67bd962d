#include "clickhouse/engine.h"

#include <array>

#include <gmock/gmock.h>

#include "io/child_process.h"

namespace rh::clickhouse {
namespace {

using ::testing::HasSubstr;

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

// Runs this test program as the engine (test_main.cc), in an empty working directory.
Outcome run(std::vector<std::string> arguments, const std::string& library = {}) {
    io::SpawnOptions options;
    options.argv = {"/proc/self/exe", "clickhouse"};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.output = io::ChildStream::pipe;
    options.directory = ::testing::TempDir();
    if (!library.empty()) {
        options.environment = {{"ROUNDHOUSE_LIBCHDB", library}};
    }
    auto child = io::ChildProcess::spawn(options).value();
    Outcome outcome;
    std::array<char, 4096> buffer{};
    while (const size_t got = child.read(buffer).value()) {
        outcome.out.append(buffer.data(), got);
    }
    outcome.code = child.wait().value()->code;
    outcome.err = child.stderr_tail();
    return outcome;
}

TEST(Engine, RunsLocalQueries) {
    const Outcome outcome = run({"local", "--query", "SELECT 1 + 1"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "2\n");
    const Outcome streamed = run({"local", "--query",
                                  "SELECT number FROM numbers(3) "
                                  "INTO OUTFILE '/dev/stdout' TRUNCATE FORMAT TSV"});
    EXPECT_EQ(streamed.out, "0\n1\n2\n") << streamed.err;
}

// libchdb itself reports success for these.
TEST(Engine, AFailedQueryIsAFailedRun) {
    const Outcome at_once = run({"local", "--query", "SELECT nothing"});
    EXPECT_EQ(at_once.code, 1);
    EXPECT_THAT(at_once.err, HasSubstr("Code: 47"));
    const Outcome late = run(
        {"local", "--query", "SELECT throwIf(number = 900000) FROM numbers(1000000) FORMAT Null"});
    EXPECT_EQ(late.code, 1);
    EXPECT_THAT(late.err, HasSubstr("Code: 395"));
    EXPECT_EQ(run({"local", "--no-such-option"}).code, 1);
}

TEST(Engine, SaysWhatToDoWithoutTheLibrary) {
    const Outcome outcome = run({"local", "--query", "SELECT 1"}, "/nowhere/libchdb.so");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("/nowhere/libchdb.so"));
    EXPECT_EQ(run({"local", "--query", "SELECT 1"}, "/bin/true").code, 1);
}

TEST(Engine, RefusesOtherArguments) {
    EXPECT_EQ(run({}).code, 2);
    EXPECT_EQ(run({"keeper"}).code, 2);
    EXPECT_EQ(run({"server", "--directory", "/tmp"}).code, 2);
    EXPECT_THAT(run({"keeper"}).err, HasSubstr("Usage: "));
}

}  // namespace
}  // namespace rh::clickhouse
