#include "io/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 declares no linkage in it
}

extern char** environ;

namespace rh::io {
namespace {

constexpr size_t kStderrTailBytes = 8 * 1024;
constexpr int kExecFailed = 127;

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() { reset(); }
    void reset() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    int get() const { return fd_; }

  private:
    int fd_ = -1;
};

struct Pipe {
    Fd read;
    Fd write;
};

std::unexpected<Error> spawn_error(std::string_view action, int error) {
    return fail(ErrorKind::internal, "spawn_failed",
                fmt::format("Cannot {}: {}.", action, std::strerror(error)), Verdict::retry);
}

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return spawn_error("make a pipe", errno);
    }
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> open_for_child(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
    if (fd < 0) {
        return spawn_error("open " + path, errno);
    }
    return Fd(fd);
}

void set_nonblocking(const Fd& fd) { ::fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

// Everything the child needs between fork and exec, where only async-signal-safe calls are allowed
// (another thread may hold any lock, malloc's included).
struct ChildPlan {
    std::vector<char*> argv;
    std::vector<std::string> environment_text;
    std::vector<char*> environment;
    const char* directory = nullptr;
    std::array<int, 3> standard = {-1, -1, -1};  // -1: inherit
    int report = -1;
    pid_t parent = 0;
};

ChildPlan plan_child(const SpawnOptions& options) {
    ChildPlan plan;
    for (const std::string& argument : options.argv) {
        plan.argv.push_back(const_cast<char*>(argument.c_str()));
    }
    plan.argv.push_back(nullptr);
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::string_view name = text.substr(0, text.find('='));
        if (std::ranges::none_of(options.environment,
                                 [&](const auto& added) { return added.first == name; })) {
            plan.environment_text.emplace_back(text);
        }
    }
    for (const auto& [name, value] : options.environment) {
        plan.environment_text.push_back(fmt::format("{}={}", name, value));
    }
    for (std::string& text : plan.environment_text) {
        plan.environment.push_back(text.data());
    }
    plan.environment.push_back(nullptr);
    plan.directory = options.directory.empty() ? nullptr : options.directory.c_str();
    plan.parent = ::getpid();
    return plan;
}

[[noreturn]] void child_failed(const ChildPlan& plan) {
    const int error = errno;
    [[maybe_unused]] const ssize_t written = ::write(plan.report, &error, sizeof error);
    ::_exit(kExecFailed);
}

[[noreturn]] void run_child(const ChildPlan& plan) {
    // The kernel kills the child when the forking thread ends. If the parent was gone before this
    // call, no signal will come, hence the look at the parent afterwards.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != plan.parent) {
        ::_exit(kExecFailed);
    }
    for (int target = 0; target < 3; ++target) {
        const int source = plan.standard[static_cast<size_t>(target)];
        if (source >= 0 && ::dup2(source, target) < 0) {
            child_failed(plan);
        }
    }
    // Descriptors that somebody opened without O_CLOEXEC stay out of the child too.
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (plan.directory != nullptr && ::chdir(plan.directory) != 0) {
        child_failed(plan);
    }
    struct sigaction standard_action{};
    standard_action.sa_handler = SIG_DFL;
    ::sigaction(SIGPIPE, &standard_action, nullptr);  // an ignored signal stays ignored over exec
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.argv[0], plan.argv.data(), plan.environment.data());
    child_failed(plan);
}

// The errno that the child reported, or 0 once exec has closed the pipe.
int read_exec_report(const Fd& report) {
    int error = 0;
    ssize_t got = 0;
    do {
        got = ::read(report.get(), &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    return got == sizeof error ? error : 0;
}

int remaining_ms(int64_t deadline) {
    return deadline < 0 ? -1 : static_cast<int>(std::max<int64_t>(0, deadline - monotonic_ms()));
}

int64_t deadline_after(int timeout_ms) { return timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms; }

}  // namespace

std::string to_string(const ExitStatus& status) {
    if (status.signal != 0) {
        return fmt::format("signal {} ({})", status.signal, ::strsignal(status.signal));
    }
    return fmt::format("exit code {}", status.code);
}

struct ChildProcess::Impl {
    std::string name;
    pid_t pid = -1;
    Fd pidfd;
    Fd input;
    Fd output;
    Fd errors;
    std::mutex mutex;  // guards tail, errors_ended and status
    std::string tail;
    bool errors_ended = false;
    std::optional<ExitStatus> status;

    ~Impl() {
        if (pid > 0 && !status) {
            ::pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0);
            ::waitpid(pid, nullptr, 0);
        }
    }

    void drain_errors() {
        const std::lock_guard lock(mutex);
        std::array<char, 4096> buffer{};
        while (errors.get() >= 0 && !errors_ended) {
            // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): it does not block
            const ssize_t got = ::read(errors.get(), buffer.data(), buffer.size());
            if (got < 0) {
                return;  // nothing more now
            }
            errors_ended = got == 0;
            tail.append(buffer.data(), static_cast<size_t>(got));
            if (tail.size() > kStderrTailBytes) {
                tail.erase(0, tail.size() - kStderrTailBytes);
            }
        }
    }

    // Waits until `fd` is ready or the deadline passes, and keeps standard error flowing meanwhile.
    Result<bool> wait_for(int fd, int16_t events, int64_t deadline) {
        while (true) {
            drain_errors();
            int errors_fd = -1;
            {
                const std::lock_guard lock(mutex);
                errors_fd = errors_ended ? -1 : errors.get();
            }
            std::array<pollfd, 2> polled = {pollfd{fd, events, 0}, pollfd{errors_fd, POLLIN, 0}};
            const int ready = ::poll(polled.data(), polled.size(), remaining_ms(deadline));
            if (ready < 0 && errno != EINTR) {
                return spawn_error("wait for " + name, errno);
            }
            if (ready > 0 && polled[0].revents != 0) {
                return true;
            }
            if (deadline >= 0 && monotonic_ms() >= deadline) {
                return false;
            }
        }
    }

    std::unexpected<Error> timed_out(std::string_view what) const {
        return fail(ErrorKind::unavailable, "child_timeout",
                    fmt::format("{} did not {} in time.", name, what), Verdict::retry);
    }
};

ChildProcess::ChildProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChildProcess::ChildProcess(ChildProcess&&) noexcept = default;
ChildProcess& ChildProcess::operator=(ChildProcess&&) noexcept = default;
ChildProcess::~ChildProcess() = default;

Result<ChildProcess> ChildProcess::spawn(const SpawnOptions& options) {
    static std::once_flag once;
    std::call_once(once, [] { ::signal(SIGPIPE, SIG_IGN); });  // a broken pipe is an errno

    auto impl = std::make_unique<Impl>();
    impl->name = options.argv.at(0);
    ChildPlan plan = plan_child(options);
    RH_ASSIGN(Fd null, open_for_child("/dev/null", O_RDWR));
    RH_ASSIGN(Pipe in, make_pipe());
    RH_ASSIGN(Pipe out, make_pipe());
    RH_ASSIGN(Pipe err, make_pipe());
    RH_ASSIGN(Pipe report, make_pipe());
    const auto choose = [&](ChildStream stream, const Fd& pipe_end) {
        return stream == ChildStream::inherit ? -1
               : stream == ChildStream::null  ? null.get()
                                              : pipe_end.get();
    };
    plan.standard[0] = choose(options.input, in.read);
    plan.standard[1] = choose(options.output, out.write);
    plan.standard[2] = err.write.get();
    Fd error_file;
    if (!options.stderr_file.empty()) {
        RH_ASSIGN(error_file, open_for_child(options.stderr_file, O_WRONLY | O_CREAT | O_APPEND));
        plan.standard[2] = error_file.get();
    }
    plan.report = report.write.get();

    impl->pid = ::fork();
    if (impl->pid == 0) {
        run_child(plan);
    }
    if (impl->pid < 0) {
        return spawn_error("start " + impl->name, errno);
    }
    impl->pidfd = Fd(::pidfd_open(impl->pid, 0));
    report.write.reset();
    if (const int error = read_exec_report(report.read); error != 0) {
        ::waitpid(std::exchange(impl->pid, -1), nullptr, 0);
        return fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::internal,
                    error == ENOENT ? "program_not_found" : "spawn_failed",
                    fmt::format("Cannot run {}: {}.", impl->name, std::strerror(error)));
    }
    if (impl->pidfd.get() < 0) {
        ::kill(impl->pid, SIGKILL);
        ::waitpid(std::exchange(impl->pid, -1), nullptr, 0);
        return spawn_error("watch " + impl->name, errno);
    }
    if (options.input == ChildStream::pipe) {
        impl->input = std::move(in.write);
        set_nonblocking(impl->input);
    }
    if (options.output == ChildStream::pipe) {
        impl->output = std::move(out.read);
        set_nonblocking(impl->output);
    }
    if (options.stderr_file.empty()) {
        impl->errors = std::move(err.read);
        set_nonblocking(impl->errors);
    }
    return ChildProcess(std::move(impl));
}

Result<void> ChildProcess::write_all(std::string_view bytes, int timeout_ms) {
    const int64_t deadline = deadline_after(timeout_ms);
    while (!bytes.empty()) {
        const ssize_t written = ::write(impl_->input.get(), bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<size_t>(written));
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return fail(ErrorKind::unavailable, "child_closed_input",
                        fmt::format("{} stopped reading its input.", impl_->name));
        }
        RH_ASSIGN(const bool ready, impl_->wait_for(impl_->input.get(), POLLOUT, deadline));
        if (!ready) {
            return impl_->timed_out("read its input");
        }
    }
    return {};
}

void ChildProcess::close_input() { impl_->input.reset(); }

Result<size_t> ChildProcess::read(std::span<char> buffer, int timeout_ms) {
    const int64_t deadline = deadline_after(timeout_ms);
    while (true) {
        const ssize_t got = ::read(impl_->output.get(), buffer.data(), buffer.size());
        if (got >= 0) {
            return static_cast<size_t>(got);
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return spawn_error("read from " + impl_->name, errno);
        }
        RH_ASSIGN(const bool ready, impl_->wait_for(impl_->output.get(), POLLIN, deadline));
        if (!ready) {
            return impl_->timed_out("answer");
        }
    }
}

int ChildProcess::input_fd() const { return impl_->input.get(); }
int ChildProcess::output_fd() const { return impl_->output.get(); }

Result<std::optional<ExitStatus>> ChildProcess::wait(int timeout_ms) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->status) {
            return impl_->status;
        }
    }
    RH_ASSIGN(const bool ended,
              impl_->wait_for(impl_->pidfd.get(), POLLIN, deadline_after(timeout_ms)));
    if (!ended) {
        return std::nullopt;
    }
    impl_->drain_errors();
    const std::lock_guard lock(impl_->mutex);
    int raw = 0;
    if (!impl_->status && ::waitpid(impl_->pid, &raw, 0) == impl_->pid) {
        impl_->status =
            WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
    }
    return impl_->status;
}

void ChildProcess::kill(int signal) { ::pidfd_send_signal(impl_->pidfd.get(), signal, nullptr, 0); }

Result<ExitStatus> ChildProcess::terminate(int grace_ms) {
    kill(SIGTERM);
    RH_ASSIGN(std::optional<ExitStatus> status, wait(grace_ms));
    if (!status) {
        kill(SIGKILL);
        RH_ASSIGN(status, wait());
    }
    return status.value_or(ExitStatus{});
}

pid_t ChildProcess::pid() const { return impl_->pid; }

std::string ChildProcess::stderr_tail() {
    impl_->drain_errors();
    const std::lock_guard lock(impl_->mutex);
    return impl_->tail;
}

}  // namespace rh::io
