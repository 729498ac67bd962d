#include "base/log.h"

#include <array>
#include <atomic>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/harmless.h"
#include "base/json_string.h"
#include "base/utf8.h"

namespace rh {
namespace {

std::atomic<LogLevel> least_level = LogLevel::info;
std::atomic<bool> as_json = true;

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};

std::string timestamp() {
    const int64_t ms = now_ms();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<time_t>(ms / 1000)),
                       ms % 1000);
}

}  // namespace

void log_init(LogLevel least, LogFormat format) {
    least_level = least;
    as_json = format == LogFormat::json || (format == LogFormat::automatic && isatty(2) == 0);
}

void log_event(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (level < least_level.load()) {
        return;
    }
    const auto level_name = kLevelNames[static_cast<size_t>(level)];
    std::string line;
    if (as_json) {
        line = fmt::format(R"({{"time":"{}","level":"{}","message":)", timestamp(), level_name);
        append_json_string(line, to_valid_utf8(message));
        for (const auto& [key, value] : fields) {
            line += ',';
            append_json_string(line, key);
            line += ':';
            if (value.is_number()) {
                line += value.text();
            } else {
                append_json_string(line, to_valid_utf8(value.text()));
            }
        }
        line += "}\n";
    } else {
        line = fmt::format("{} {:7} {}", timestamp(), level_name, harmless(message));
        for (const auto& [key, value] : fields) {
            line += fmt::format(" {}={}", key, quoted_if_needed(value.text()));
        }
        line += '\n';
    }
    // One write a line, so that lines of different threads never mix. There is nowhere to report
    // a failure of stderr to.
    [[maybe_unused]] const ssize_t written = ::write(2, line.data(), line.size());
}

}  // namespace rh
