// The unit tests of this room start embedded servers out of the test program itself, as roundhouse
// does out of its own binary: `clickhouse_test clickhouse server …` is the engine.
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <gtest/gtest.h>

#include "base/log.h"
#include "clickhouse/engine.h"

namespace {

// build/lib/libchdb.so, from wherever below build/ the tests were built.
void find_engine() {
    std::filesystem::path directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    while (directory != directory.root_path()) {
        const auto library = directory / "lib" / "libchdb.so";
        if (std::filesystem::exists(library)) {
            ::setenv("ROUNDHOUSE_LIBCHDB", library.c_str(), 0);
            return;
        }
        directory = directory.parent_path();
    }
}

}  // namespace

int main(int argc, char** argv) {
    find_engine();
    if (argc > 1 && std::string_view(argv[1]) == "clickhouse") {
        return rh::clickhouse::run_engine(argc - 2, argv + 2);
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
