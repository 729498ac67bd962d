// One event a line on stderr: text on a terminal, JSON otherwise (or as log_init is told).
// Fields are key/value pairs; no player data at info. Any thread may log.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace rh {

enum class LogLevel : uint8_t { debug, info, warning, error };
enum class LogFormat : uint8_t { automatic, text, json };

using LogField = std::pair<std::string_view, std::string>;

void log_init(LogLevel least, LogFormat format);
void log_event(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields = {});

}  // namespace rh
