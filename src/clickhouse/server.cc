#include "clickhouse/server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "clickhouse/engine.h"
#include "clickhouse/server_config.h"
#include "io/child_process.h"
#include "io/file.h"
#include "io/stream.h"

namespace rh::clickhouse {
namespace {

constexpr int kStopMs = 5'000;
constexpr int kPollMs = 20;
constexpr int kProbeMs = 1'000;
constexpr int kWatchMs = 100;
constexpr int64_t kPingEveryMs = 2'000;
constexpr int kFailedPingsMin = 3;
// A child that has been silent for so long is not given kStopMs.
constexpr int64_t kSilentMs = 5'000;
constexpr int kSilentStopMs = 500;
constexpr int64_t kPatienceMs = 60'000;  // between two words about a child that does not answer
constexpr int kBackoffMsMin = 100;
constexpr int kBackoffMsMax = 5'000;
// A child that ran for so long is not in a loop of deaths.
constexpr int64_t kHealthyMs = 30'000;
// The data directory and configured ports may be held for a moment by the dying child of a killed
// parent.
constexpr int kBusyStartsMax = 5;

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
        config.owner_password = random_hex(4);
        config.reader_password = random_hex(4);
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

bool met_another(std::string_view child_said) {
    return child_said.find("Address already in use") != std::string_view::npos ||
           child_said.find("Cannot lock file") != std::string_view::npos;
}

// What is killed may live next time; a processor that lacks an instruction will always lack it.
bool may_pass(const io::ExitStatus& status) {
    return status.ok() || (status.signal != 0 && status.signal != SIGILL);
}

std::string without_line_ends(std::string text) {
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

}  // namespace

struct Server::Impl {
    enum class State : uint8_t { starting, up, failed };

    // Constant after start().
    ServerOptions options;
    ServerConfig config;
    uint16_t http_port = 0;
    uint16_t tcp_port = 0;
    std::vector<io::LoopbackPort> reserved;
    std::optional<Client> pinger;

    std::atomic<uint64_t> restarts = 0;
    std::atomic<int> pid = 0;
    std::atomic<bool> stopping = false;

    std::mutex mutex;  // guards what follows
    std::condition_variable_any changed;
    State state = State::starting;
    Error failure;

    std::thread supervisor;  // forks every child and lives as long as the Server

    Result<void> prepare();
    Result<uint16_t> choose_port(uint16_t wanted);
    Endpoint endpoint(const char* user, const std::string& password) const;
    Error not_started(std::string_view why, Verdict verdict) const;
    Result<io::ChildProcess> spawn();
    Result<void> wait_until_it_answers(io::ChildProcess& child);
    std::optional<io::ExitStatus> watch(io::ChildProcess& child, int64_t& silent_ms);
    void supervise();
    Error run_child(bool& answered);
    bool pause(int ms);
    void set_state(State next);
};

Result<void> Server::Impl::prepare() {
    config.directory = options.directory;
    config.memory_bytes_max =
        options.memory_bytes_max > 0 ? options.memory_bytes_max : half_of_memory();
    if (options.program.empty()) {
        options.program = "/proc/self/exe";
        RH_TRY(find_engine(options.libchdb));
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
    RH_TRY(io::remove_file(config.directory + "/connection.json"));  // of a server that was killed
    RH_ASSIGN(http_port, choose_port(options.http_port));
    RH_ASSIGN(tcp_port, choose_port(options.tcp_port));
    RH_TRY(io::write_file_durably(config.directory + "/config/config.xml", config_xml(config)));
    return write_secret(config.directory + "/config/users.xml", users_xml(config));
}

Result<uint16_t> Server::Impl::choose_port(uint16_t wanted) {
    if (wanted != 0) {
        return wanted;
    }
    RH_ASSIGN(auto port, io::LoopbackPort::reserve());
    reserved.push_back(std::move(port));
    return reserved.back().number();
}

Endpoint Server::Impl::endpoint(const char* user, const std::string& password) const {
    return {"127.0.0.1", http_port, user, password, kDatabase};
}

Error Server::Impl::not_started(std::string_view why, Verdict verdict) const {
    return {ErrorKind::internal, "clickhouse_not_started",
            fmt::format("The embedded ClickHouse did not start ({}). Its log is in {}/log.", why,
                        config.directory),
            verdict};
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
    const Client client(as_owner, kProbeMs);
    const int64_t begun = monotonic_ms();
    int64_t said_at = begun;
    while (!stopping) {
        RH_ASSIGN(const auto ended, child.wait(kPollMs));
        if (ended) {
            const std::string said = without_line_ends(child.stderr_tail());
            return std::unexpected(not_started(
                fmt::format("{}: {}", to_string(*ended), said),
                may_pass(*ended) || met_another(said) ? Verdict::retry : Verdict::give_up));
        }
        // With the password, so that it is our child that answers, and no other server.
        if (client.query("SELECT 1")) {
            return write_secret(config.directory + "/connection.json",
                                connection_json(config, http_port, tcp_port, child.pid()));
        }
        if (const int64_t now = monotonic_ms(); now - said_at > kPatienceMs) {
            said_at = now;
            log_event(LogLevel::warning, "ClickHouse does not answer yet",
                      {{"seconds", (now - begun) / 1000}, {"log", config.directory + "/log"}});
        }
    }
    return std::unexpected(not_started("it is being stopped", Verdict::retry));
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
    bool answered = false;
    int busy_starts = 0;
    int backoff_ms = kBackoffMsMin;
    while (!stopping) {
        const int64_t begun = monotonic_ms();
        const Error ended = run_child(answered);
        pid = 0;
        if (stopping) {
            return;
        }
        busy_starts += met_another(ended.message) ? 1 : 0;
        if (!answered && (ended.verdict == Verdict::give_up || busy_starts == kBusyStartsMax)) {
            const std::lock_guard lock(mutex);
            failure = ended;
            state = State::failed;
            changed.notify_all();
            return;
        }
        set_state(State::starting);
        if (monotonic_ms() - begun > kHealthyMs) {
            backoff_ms = kBackoffMsMin;
        }
        log_event(LogLevel::warning, "ClickHouse ended and is started again",
                  {{"detail", ended.message}, {"restarts", restarts + 1}});
        if (pause(backoff_ms)) {
            return;
        }
        backoff_ms = std::min(backoff_ms * 2, kBackoffMsMax);
        ++restarts;
    }
}

// Until a child that is up ends, or is to be ended. Its /ping needs no table, no disk and no user,
// so a child that does not answer it for long is hung, however busy it is. Several must have
// failed: this process may have been stopped for long itself.
std::optional<io::ExitStatus> Server::Impl::watch(io::ChildProcess& child, int64_t& silent_ms) {
    const auto hung_after_ms = static_cast<int64_t>(options.hung_after_s) * 1'000;
    int64_t answered_at = monotonic_ms();
    int64_t asked_at = answered_at;
    int failed = 0;
    std::optional<io::ExitStatus> ended;
    while (!ended && !stopping &&
           (hung_after_ms == 0 || silent_ms < hung_after_ms || failed < kFailedPingsMin)) {
        ended = child.wait(kWatchMs).value_or(std::nullopt);
        if (!ended && monotonic_ms() - asked_at >= kPingEveryMs) {
            const bool answers = pinger->ping().has_value();
            failed = answers ? 0 : failed + 1;
            asked_at = monotonic_ms();
            answered_at = answers ? asked_at : answered_at;
            silent_ms = asked_at - answered_at;
        }
    }
    return ended;
}

// The life of one child, from its fork to its end; how that came.
Error Server::Impl::run_child(bool& answered) {
    auto child = spawn();
    if (!child) {
        return child.error();
    }
    if (const auto answers = wait_until_it_answers(*child); !answers) {
        return answers.error();  // one that still runs is killed with its handle
    }
    answered = true;
    set_state(State::up);
    int64_t silent_ms = 0;
    std::optional<io::ExitStatus> ended = watch(*child, silent_ms);
    const bool was_hung = !ended && !stopping;
    if (!ended) {
        ended = child->terminate(silent_ms >= kSilentMs ? kSilentStopMs : kStopMs)
                    .value_or(io::ExitStatus{});
    }
    return {ErrorKind::unavailable, "clickhouse_unavailable",
            without_line_ends(fmt::format(
                "{}{}: {}",
                was_hung ? fmt::format("it answered nothing for {} s; ", silent_ms / 1'000) : "",
                to_string(*ended), child->stderr_tail())),
            Verdict::retry};
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    RH_TRY(impl->prepare());
    Impl& self = *impl;
    self.pinger.emplace(self.endpoint(kOwnerUser, self.config.owner_password));
    std::unique_ptr<Server> server(new Server(std::move(impl)));
    self.supervisor = std::thread([&self] { self.supervise(); });
    return server;
}

Result<void> Server::wait_until_up(const std::stop_token& stop) {
    Impl& self = *impl_;
    std::unique_lock lock(self.mutex);
    self.changed.wait(lock, stop,
                      [&self] { return self.state != Impl::State::starting || self.stopping; });
    if (self.state == Impl::State::failed) {
        return std::unexpected(self.failure);
    }
    if (self.state == Impl::State::starting) {
        return fail(ErrorKind::unavailable, "stopping", "ClickHouse is being stopped.",
                    Verdict::retry);
    }
    return {};
}

Server::~Server() { stop(); }

void Server::stop() {
    impl_->stopping = true;
    impl_->pinger->abort();
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
