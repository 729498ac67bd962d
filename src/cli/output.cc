#include "cli/output.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/harmless.h"
#include "base/utf8.h"
#include "cli/json.h"
#include "http/problem.h"
#include "io/file.h"

namespace rh::cli {
Result<void> write_out(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(1, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EPIPE) {
                return fail(ErrorKind::internal, "output_closed",
                            "The reader of the output is gone.");
            }
            return fail(ErrorKind::internal, "output_failed",
                        fmt::format("Cannot write the output: {}.", std::strerror(errno)));
        }
        bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

Result<void> check_free(const std::string& path, bool force) {
    if (force || !io::exists(path)) {
        return {};
    }
    return fail(ErrorKind::conflict, "file_exists",
                fmt::format("{} is there already. --force replaces it.", path));
}

void say(std::string_view message) {
    const std::string line = fmt::format("roundhouse: {}\n", harmless_lines(message));
    // There is nowhere to report a failure of stderr to.
    [[maybe_unused]] const ssize_t written = ::write(2, line.data(), line.size());
}

int exit_code_of(const Error& error) {
    switch (error.kind) {
        case ErrorKind::invalid_request:
            return 2;
        case ErrorKind::unavailable:
            return 5;
        case ErrorKind::unauthorized:
        case ErrorKind::forbidden:
        case ErrorKind::not_found:
        case ErrorKind::conflict:
        case ErrorKind::too_large:
        case ErrorKind::unsupported:
        case ErrorKind::invalid_content:
        case ErrorKind::busy:
        case ErrorKind::internal:
        case ErrorKind::storage_full:
            return 1;
    }
    return 1;
}

std::string problem_json(const Error& error, std::string_view filename) {
    std::string title = error.code;
    for (char& c : title) {
        c = c == '_' ? ' ' : c;
    }
    boost::json::object problem = {{"type", "/problems/" + error.code},
                                   {"title", title},
                                   {"status", http::status_of(error)},
                                   {"detail", error.message},
                                   {"code", error.code}};
    if (!filename.empty()) {
        problem["filename"] = to_valid_utf8(filename);
    }
    if (!error.trace_id.empty()) {
        problem["trace_id"] = error.trace_id;
    }
    return json_text(problem);
}

int report(const Error& error, bool json, std::string_view filename) {
    if (error.code != "output_closed") {  // `… | head` is no failure worth a sentence
        say(error.trace_id.empty()
                ? error.message
                : fmt::format("{}\n  trace_id {}", error.message, error.trace_id));
        if (json) {
            [[maybe_unused]] const auto written = write_out(problem_json(error, filename) + "\n");
        }
    }
    return exit_code_of(error);
}

bool stderr_is_terminal() { return ::isatty(2) == 1; }
bool stdout_is_terminal() { return ::isatty(1) == 1; }

bool stdout_has_color() {
    const char* no_color = std::getenv("NO_COLOR");
    return stdout_is_terminal() && (no_color == nullptr || *no_color == '\0');
}

}  // namespace rh::cli
