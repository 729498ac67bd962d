#include "clickhouse/server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/server_config.h"
#include "io/child_process.h"
#include "io/file.h"
#include "io/stream.h"

namespace rh::clickhouse {
namespace {

constexpr int kStartMsMax = 300'000;
constexpr int kStopMs = 8'000;
constexpr int kPollMs = 20;
constexpr int kWatchMs = 100;
constexpr int kBackoffMsMin = 100;
constexpr int kBackoffMsMax = 5'000;
// A child that ran for so long is not in a loop of deaths.
constexpr int64_t kHealthyMs = 30'000;
// Another process may take a port between its choice and its use, and the data directory may be
// locked for a moment by the dying child of a killed parent.
constexpr int kFirstStarts = 5;

std::string random_password() {
    std::random_device random;  // the kernel's, with libstdc++
    return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

Result<void> restrict_to_owner(const std::string& path, bool directory) {
    using std::filesystem::perms;
    std::error_code error;
    std::filesystem::permissions(
        path, directory ? perms::owner_all : perms::owner_read | perms::owner_write, error);
    if (error) {
        return fail(ErrorKind::internal, "file_error",
                    fmt::format("Cannot keep {} to its owner: {}.", path, error.message()));
    }
    return {};
}

// The directory around it is closed to others before this is called.
Result<void> write_secret(const std::string& path, std::string_view text) {
    RH_TRY(io::write_file_durably(path, text));
    return restrict_to_owner(path, false);
}

// Two lines: the owner's and the reader's password.
Result<void> load_or_make_credentials(ServerConfig& config) {
    const std::string path = config.directory + "/credentials";
    if (!io::exists(path)) {
        config.owner_password = random_password();
        config.reader_password = random_password();
        return write_secret(path,
                            fmt::format("{}\n{}\n", config.owner_password, config.reader_password));
    }
    RH_ASSIGN(const std::string text, io::read_file(path));
    const size_t line = text.find('\n');
    const size_t end = line == std::string::npos ? line : text.find('\n', line + 1);
    if (end == std::string::npos) {
        return fail(ErrorKind::internal, "bad_credentials_file",
                    fmt::format("{} is damaged. Remove it; new passwords will be made.", path));
    }
    config.owner_password = text.substr(0, line);
    config.reader_password = text.substr(line + 1, end - line - 1);
    return {};
}

uint64_t half_of_memory() {
    const auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
    return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
}

// True if another try may succeed where this one failed.
bool may_pass(std::string_view child_said) {
    return child_said.find("Address already in use") != std::string_view::npos ||
           child_said.find("Cannot lock file") != std::string_view::npos;
}

}  // namespace

struct Server::Impl {
    enum class State : uint8_t { starting, up, failed };

    // Constant after start().
    ServerOptions options;
    ServerConfig config;

    std::atomic<uint64_t> restarts = 0;
    std::atomic<int> pid = 0;
    std::atomic<bool> stopping = false;

    std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    State state = State::starting;
    Error failure;
    uint16_t http_port = 0;
    uint16_t tcp_port = 0;

    std::thread supervisor;  // forks every child and lives as long as the Server

    Result<void> prepare();
    Result<void> choose_ports();
    Endpoint endpoint(const char* user, const std::string& password);
    Result<io::ChildProcess> spawn();
    Result<void> wait_until_it_answers(io::ChildProcess& child);
    Result<io::ChildProcess> first_start();
    void supervise();
    void watch(io::ChildProcess child);
    bool pause(int ms);
    void set_state(State next);
};

Result<void> Server::Impl::prepare() {
    config.directory = options.directory;
    config.memory_bytes_max =
        options.memory_bytes_max > 0 ? options.memory_bytes_max : half_of_memory();
    if (options.program.empty()) {
        options.program = "/proc/self/exe";
    }
    if (!config.directory.starts_with('/')) {
        return fail(ErrorKind::invalid_request, "directory_not_absolute",
                    fmt::format("ClickHouse's directory must be an absolute path, and {} is none.",
                                config.directory));
    }
    for (const char* name : {"", "/data", "/config", "/log"}) {
        RH_TRY(io::make_directories(config.directory + name));
    }
    RH_TRY(restrict_to_owner(config.directory, true));
    RH_TRY(load_or_make_credentials(config));
    RH_TRY(io::write_file_durably(config.directory + "/config/config.xml", config_xml(config)));
    return write_secret(config.directory + "/config/users.xml", users_xml(config));
}

Result<void> Server::Impl::choose_ports() {
    uint16_t http = options.http_port;
    uint16_t tcp = options.tcp_port;
    if (http == 0) {
        RH_ASSIGN(http, io::free_loopback_port());
    }
    if (tcp == 0) {
        RH_ASSIGN(tcp, io::free_loopback_port());
    }
    const std::lock_guard lock(mutex);
    http_port = http;
    tcp_port = tcp;
    return {};
}

Endpoint Server::Impl::endpoint(const char* user, const std::string& password) {
    const std::lock_guard lock(mutex);
    return {"127.0.0.1", http_port, user, password, kDatabase};
}

Result<io::ChildProcess> Server::Impl::spawn() {
    io::SpawnOptions child;
    child.argv = {options.program,
                  "clickhouse",
                  "server",
                  "--directory",
                  config.directory,
                  "--http-port",
                  fmt::to_string(http_port),
                  "--tcp-port",
                  fmt::to_string(tcp_port)};
    child.directory = config.directory;
    if (!options.libchdb.empty()) {
        child.environment = {{"ROUNDHOUSE_LIBCHDB", options.libchdb}};
    }
    RH_ASSIGN(io::ChildProcess process, io::ChildProcess::spawn(child));
    pid = process.pid();
    return process;
}

Result<void> Server::Impl::wait_until_it_answers(io::ChildProcess& child) {
    Endpoint as_owner = endpoint(kOwnerUser, config.owner_password);
    as_owner.database = "system";
    const Client client(as_owner);
    const int64_t deadline = monotonic_ms() + kStartMsMax;
    std::string last = "it did not answer in time";
    while (monotonic_ms() < deadline && !stopping) {
        RH_ASSIGN(const auto ended, child.wait(kPollMs));
        if (ended) {
            last = fmt::format("{}: {}", to_string(*ended), child.stderr_tail());
            break;
        }
        // With the password, so that it is our child that answers, and no other server.
        const auto answer = client.query("SELECT 1");
        if (answer) {
            return write_secret(config.directory + "/connection.json",
                                connection_json(config, http_port, tcp_port, child.pid()));
        }
    }
    while (!last.empty() && last.back() == '\n') {
        last.pop_back();
    }
    return fail(ErrorKind::unavailable, "clickhouse_not_started",
                fmt::format("The embedded ClickHouse did not start ({}). Its log is in {}/log.",
                            last, config.directory),
                may_pass(last) ? Verdict::retry : Verdict::give_up);
}

Result<io::ChildProcess> Server::Impl::first_start() {
    for (int attempt = 1;; ++attempt) {
        RH_TRY(choose_ports());
        RH_ASSIGN(io::ChildProcess child, spawn());
        const auto answers = wait_until_it_answers(child);
        if (answers) {
            return child;
        }
        if (attempt == kFirstStarts || answers.error().verdict != Verdict::retry || pause(200)) {
            return std::unexpected(answers.error());
        }
    }
}

void Server::Impl::set_state(State next) {
    const std::lock_guard lock(mutex);
    state = next;
    changed.notify_all();
}

// Sleeps, but not longer than until the Server is being stopped; true then.
bool Server::Impl::pause(int ms) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping.load(); });
    return stopping;
}

void Server::Impl::supervise() {
    auto child = first_start();
    if (!child) {
        {
            const std::lock_guard lock(mutex);
            failure = child.error();
        }
        set_state(State::failed);
        return;
    }
    set_state(State::up);
    watch(std::move(*child));
}

void Server::Impl::watch(io::ChildProcess child) {
    int backoff_ms = kBackoffMsMin;
    int64_t up_since = monotonic_ms();
    while (true) {
        std::optional<io::ExitStatus> ended;
        while (!ended && !stopping) {
            ended = child.wait(kWatchMs).value_or(std::nullopt);
        }
        if (stopping) {
            (void)child.terminate(kStopMs);
            return;
        }
        pid = 0;
        if (monotonic_ms() - up_since > kHealthyMs) {
            backoff_ms = kBackoffMsMin;
        }
        log_event(LogLevel::warning, "ClickHouse ended and is started again",
                  {{"status", ended ? to_string(*ended) : "not started"},
                   {"stderr", child.stderr_tail()},
                   {"restarts", fmt::to_string(restarts + 1)}});
        if (pause(backoff_ms)) {
            return;
        }
        backoff_ms = std::min(backoff_ms * 2, kBackoffMsMax);
        ++restarts;
        auto next = spawn();
        if (!next) {
            log_event(LogLevel::error, next.error().message);
            continue;  // the old child has ended: the next round waits and tries again
        }
        child = std::move(*next);
        up_since = monotonic_ms();
        if (const auto answers = wait_until_it_answers(child); !answers && !stopping) {
            log_event(LogLevel::error, answers.error().message);
            child.kill(SIGKILL);
        }
    }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    RH_TRY(impl->prepare());
    Impl& self = *impl;
    std::unique_ptr<Server> server(new Server(std::move(impl)));
    self.supervisor = std::thread([&self] { self.supervise(); });
    std::unique_lock lock(self.mutex);
    self.changed.wait(lock, [&self] { return self.state != Impl::State::starting; });
    if (self.state == Impl::State::failed) {
        return std::unexpected(self.failure);
    }
    return server;
}

Server::~Server() { stop(); }

void Server::stop() {
    impl_->stopping = true;
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->changed.notify_all();
    }
    if (impl_->supervisor.joinable()) {
        impl_->supervisor.join();
    }
    (void)io::remove_file(impl_->config.directory + "/connection.json");
}

Endpoint Server::owner() const { return impl_->endpoint(kOwnerUser, impl_->config.owner_password); }
Endpoint Server::reader() const {
    return impl_->endpoint(kReaderUser, impl_->config.reader_password);
}
bool Server::is_up() const { return impl_->pid != 0 && Client(owner()).ping().has_value(); }
uint64_t Server::restarts() const { return impl_->restarts; }
int Server::pid() const { return impl_->pid; }
std::string Server::data_directory() const { return impl_->config.directory + "/data"; }

}  // namespace rh::clickhouse
