// A child program with optional pipes to its standard input and from its standard output. The child
// dies (SIGKILL) with the thread that spawned it, so spawn from a thread that lives as long as the
// child shall: PR_SET_PDEATHSIG follows the forking thread, not the process. It inherits no file
// descriptor but its three standard ones. The destructor ends it (SIGKILL) and reaps it.
//
// One thread may write while another reads; both drain standard error, so a chatty child cannot
// block on it as long as somebody is inside write, read or wait. Who both feeds and reads a child
// from one thread polls input_fd() and output_fd() itself, or may wait for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace rh::io {

enum class ChildStream : uint8_t { null, pipe, inherit };

struct SpawnOptions {
    std::vector<std::string> argv = {};  // argv[0] is a path, not searched for in PATH
    // Added to this process's environment; replaces variables of the same name.
    std::vector<std::pair<std::string, std::string>> environment = {};
    std::string directory = {};  // working directory; empty: this process's
    ChildStream input = ChildStream::null;
    ChildStream output = ChildStream::null;
    // Standard error is appended to this file; empty: its last 8 KiB are kept (stderr_tail).
    std::string stderr_file = {};
};

struct ExitStatus {
    int code = 0;    // exit code, if signal is 0
    int signal = 0;  // the signal that ended the child, or 0
    bool ok() const { return code == 0 && signal == 0; }
};
std::string to_string(const ExitStatus& status);  // "exit code 3", "signal 9 (Killed)"

// Every timeout is in milliseconds; kNoTimeout waits for ever.
inline constexpr int kNoTimeout = -1;

class ChildProcess {
  public:
    // Returns when the program has been executed; a program that cannot be is an Error (not_found
    // program_not_found, internal spawn_failed). Ignores SIGPIPE in this process from then on.
    static Result<ChildProcess> spawn(const SpawnOptions& options);
    ChildProcess(ChildProcess&&) noexcept;
    ChildProcess& operator=(ChildProcess&&) noexcept;
    ~ChildProcess();

    // Writes all bytes to the child's standard input. unavailable child_closed_input when the child
    // does not read any more, unavailable child_timeout (retry) when it takes too long.
    Result<void> write_all(std::string_view bytes, int timeout_ms = kNoTimeout);
    void close_input();  // the child sees the end of its input
    // Bytes of the child's standard output; 0 at its end. unavailable child_timeout.
    Result<size_t> read(std::span<char> buffer, int timeout_ms = kNoTimeout);
    // Both are non-blocking; -1 when there is no such pipe or it is closed. For callers that poll.
    int input_fd() const;
    int output_fd() const;

    // How the child ended; nullopt if it still runs after the timeout. May be asked again.
    Result<std::optional<ExitStatus>> wait(int timeout_ms = kNoTimeout);
    // Sends a signal; nothing happens if the child has ended. Never reaches another process.
    void kill(int signal);
    // SIGTERM, then after `grace_ms` SIGKILL; reaps.
    Result<ExitStatus> terminate(int grace_ms);
    pid_t pid() const;
    // What the child last wrote to standard error (empty if that goes to a file).
    std::string stderr_tail();

  private:
    struct Impl;
    explicit ChildProcess(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::io
