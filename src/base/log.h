// One event a line on stderr: text on a terminal, JSON otherwise (or as log_init is told).
// Fields are key/value pairs; no player data at info. Any thread may log.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace rh {

enum class LogLevel : uint8_t { debug, info, warning, error };
enum class LogFormat : uint8_t { automatic, text, json };

// Text, or a whole number, which is a number in JSON, too. Made where it is used, so implicit.
class LogValue {
  public:  // NOLINTBEGIN(google-explicit-constructor): see above
    LogValue(std::string text) : text_(std::move(text)) {}
    LogValue(std::string_view text) : text_(text) {}
    LogValue(const char* text) : text_(text) {}
    template <std::integral Number>
        requires(!std::same_as<Number, bool>)
    LogValue(Number number) : text_(std::to_string(number)), is_number_(true) {}
    const std::string& text() const { return text_; }  // NOLINTEND(google-explicit-constructor)
    bool is_number() const { return is_number_; }

  private:
    std::string text_;
    bool is_number_ = false;
};

using LogField = std::pair<std::string_view, LogValue>;

void log_init(LogLevel least, LogFormat format);
void log_event(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields = {});

}  // namespace rh
