#include "clickhouse/engine.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "io/file.h"

namespace rh::clickhouse {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

// The three functions of libchdb that are used. A result is an opaque handle.
struct Engine {
    void* (*query_cmdline)(int, char**) = nullptr;
    const char* (*result_error)(void*) = nullptr;
    char* (*result_buffer)(void*) = nullptr;
    size_t (*result_length)(void*) = nullptr;
};

template <class Function>
bool load(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    return function != nullptr;
}

std::optional<Engine> load_engine() {
    const auto path = find_engine({});
    if (!path) {
        fmt::print(stderr, "{}\n", path.error().message);
        return std::nullopt;
    }
    void* library = ::dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
        fmt::print(stderr, "The ClickHouse engine cannot be loaded: {}.\n", ::dlerror());
        return std::nullopt;
    }
    Engine engine;
    if (!load(library, "chdb_query_cmdline", engine.query_cmdline) ||
        !load(library, "chdb_result_error", engine.result_error) ||
        !load(library, "chdb_result_buffer", engine.result_buffer) ||
        !load(library, "chdb_result_length", engine.result_length)) {
        fmt::print(stderr, "{} is not the libchdb of ClickHouse 26.7 that roundhouse needs.\n",
                   *path);
        return std::nullopt;
    }
    return engine;
}

// libchdb prints the error of a failed query to standard error and reports success. So what it
// prints passes through here, and a line that is an exception makes the run a failed one.
class ErrorWatch {
  public:
    ErrorWatch() : original_(::dup(STDERR_FILENO)) {
        std::array<int, 2> ends{};
        if (original_ >= 0 && ::pipe2(ends.data(), O_CLOEXEC) == 0) {
            ::dup2(ends[1], STDERR_FILENO);
            ::close(ends[1]);
            thread_ = std::thread([this, from = ends[0]] { pass_on(from); });
        }
    }
    // Ends the watch; true if an exception was printed.
    bool finish() {
        ::dup2(original_, STDERR_FILENO);  // closes the last writer, which ends the thread
        if (thread_.joinable()) {
            thread_.join();
        }
        return failed_;
    }

  private:
    void pass_on(int from) {
        std::array<char, 4096> buffer{};
        std::string line;
        ssize_t got = 0;
        while ((got = ::read(from, buffer.data(), buffer.size())) > 0 ||
               (got < 0 && errno == EINTR)) {
            for (const char c :
                 std::string_view(buffer.data(), got > 0 ? static_cast<size_t>(got) : 0)) {
                line += c;
                if (c == '\n') {
                    write_line(line);
                    line.clear();
                }
            }
        }
        write_line(line);
        ::close(from);
    }
    void write_line(const std::string& line) {
        // With a log file in its configuration the engine says so twice, every time.
        if (line.starts_with("Logging ")) {
            return;
        }
        failed_ = failed_ || (line.starts_with("Code: ") && line.contains("DB::Exception"));
        [[maybe_unused]] const ssize_t written = ::write(original_, line.data(), line.size());
    }

    const int original_;
    bool failed_ = false;  // the thread's until it is joined
    std::thread thread_;
};

int run(std::vector<std::string> arguments) {
    const auto engine = load_engine();
    if (!engine) {
        return kFailed;
    }
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    ErrorWatch watch;
    void* result = engine->query_cmdline(static_cast<int>(arguments.size()), pointers.data());
    const bool failed = watch.finish();
    if (result == nullptr) {
        fmt::print(stderr, "The ClickHouse engine gave no answer.\n");
        return kFailed;
    }
    if (const size_t length = engine->result_length(result); length > 0) {
        std::fwrite(engine->result_buffer(result), 1, length, stdout);
        std::fflush(stdout);
    }
    if (const char* error = engine->result_error(result); error != nullptr && *error != '\0') {
        fmt::print(stderr, "{}\n", error);
        return kFailed;
    }
    return failed ? kFailed : 0;
}

struct ServerArguments {
    std::string directory;
    std::string http_port;
    std::string tcp_port;
};

std::optional<ServerArguments> parse_server_arguments(int argc, char** argv) {
    ServerArguments parsed;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--directory") {
            parsed.directory = argv[i + 1];
        } else if (name == "--http-port") {
            parsed.http_port = argv[i + 1];
        } else if (name == "--tcp-port") {
            parsed.tcp_port = argv[i + 1];
        } else {
            return std::nullopt;
        }
    }
    if (parsed.directory.empty() || parsed.http_port.empty() || parsed.tcp_port.empty()) {
        return std::nullopt;
    }
    return parsed;
}

int run_server(const ServerArguments& server) {
    // A local session that opens the ports and then sleeps: the process serves until a signal ends
    // it. The short sleeps are what SIGTERM interrupts. HTTP last: whoever gets an answer from it
    // may take the server for started, and a TCP port that is taken would still end it.
    return run({
        "clickhouse",
        "--config-file=" + server.directory + "/config/config.xml",
        "--path=" + server.directory + "/data",
        "--http_port=" + server.http_port,
        "--tcp_port=" + server.tcp_port,
        "--listen_host=127.0.0.1",
        "--query",
        ("SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "
         "SELECT sleepEachRow(3) FROM numbers(1000000000) SETTINGS max_block_size = 1 FORMAT Null"),
    });
}

}  // namespace

Result<std::string> find_engine(const std::string& named) {
    const char* variable = std::getenv("ROUNDHOUSE_LIBCHDB");  // NOLINT(concurrency-mt-unsafe)
    std::string path = named.empty() && variable != nullptr ? variable : named;
    const std::string here = io::directory_of_program();
    if (path.empty()) {
        for (const char* place : {"/libchdb.so", "/../lib/libchdb.so"}) {
            if (path.empty() && io::exists(here + place)) {
                path = here + place;
            }
        }
    } else if (::access(path.c_str(), R_OK) != 0) {
        // A wrong path shall be seen, not passed over.
        return fail(ErrorKind::internal, "clickhouse_not_started",
                    fmt::format("The ClickHouse engine {} cannot be read: {}.", path,
                                std::strerror(errno)));
    }
    if (path.empty()) {
        return fail(
            ErrorKind::internal, "clickhouse_not_started",
            fmt::format("libchdb.so, the ClickHouse engine, is not beside {0} nor in {0}/../lib. "
                        "Run `make deps`, or name it in the environment variable "
                        "ROUNDHOUSE_LIBCHDB.",
                        here));
    }
    return path;
}

int run_engine(int argc, char** argv) {
    const std::string_view mode = argc > 0 ? argv[0] : "";
    if (mode == "local") {
        std::vector<std::string> arguments(argv, argv + argc);
        arguments[0] = "clickhouse";
        return run(std::move(arguments));
    }
    if (mode == "server") {
        if (const auto server = parse_server_arguments(argc, argv)) {
            return run_server(*server);
        }
    }
    fmt::print(stderr,
               "Usage: roundhouse clickhouse local ARGUMENTS…\n"
               "       roundhouse clickhouse server --directory DIR --http-port N "
               "--tcp-port N\n");
    return kUsage;
}

}  // namespace rh::clickhouse
