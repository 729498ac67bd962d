#include "model/timestamp.h"

#include <array>
#include <chrono>

#include <fmt/format.h>

namespace rh::model {
namespace {

// Reads `count` digits at `at`; -1 if there are none.
int digits(std::string_view text, size_t at, size_t count) {
    if (at + count > text.size()) {
        return -1;
    }
    int value = 0;
    for (size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// The part after the seconds: a fraction, then `Z` or an offset. Adds both to `ms`.
std::optional<int64_t> with_suffix(std::string_view text, int64_t ms) {
    if (text.starts_with('.')) {
        size_t end = 1;
        int unit = 100;
        while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
            ms += static_cast<int64_t>(text[end] - '0') * unit;
            unit /= 10;
            ++end;
        }
        if (end == 1 || end > 10) {
            return std::nullopt;
        }
        text.remove_prefix(end);
    }
    if (text == "Z" || text == "z") {
        return ms;
    }
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
        return std::nullopt;
    }
    const int hours = digits(text, 1, 2);
    const int minutes = digits(text, 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return std::nullopt;
    }
    const int64_t offset = (static_cast<int64_t>(hours) * 60 + minutes) * 60'000;
    return text[0] == '+' ? ms - offset : ms + offset;
}

}  // namespace

int64_t days_from_civil(int year, int month, int day) {
    return std::chrono::sys_days{std::chrono::year{year} / month / day}.time_since_epoch().count();
}

bool valid_civil(int year, int month, int day) {
    return month >= 1 && day >= 1 &&
           std::chrono::year_month_day{std::chrono::year{year},
                                       std::chrono::month{static_cast<unsigned>(month)},
                                       std::chrono::day{static_cast<unsigned>(day)}}
               .ok();
}

std::string format_rfc3339(int64_t ms) {
    const int64_t days = ms >= 0 ? ms / kMsPerDay : -((-ms + kMsPerDay - 1) / kMsPerDay);
    const int64_t in_day = ms - days * kMsPerDay;
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
    const int64_t seconds = in_day / 1000;
    const int64_t fraction = in_day % 1000;
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       seconds / 3600, seconds / 60 % 60, seconds % 60,
                       fraction == 0 ? std::string() : fmt::format(".{:03}", fraction));
}

std::optional<int64_t> parse_rfc3339(std::string_view text) {
    const int year = digits(text, 0, 4);
    const int month = digits(text, 5, 2);
    const int day = digits(text, 8, 2);
    if (year < 0 || month < 0 || day < 0 || text[4] != '-' || text[7] != '-' ||
        !valid_civil(year, month, day)) {
        return std::nullopt;
    }
    const int64_t midnight = days_from_civil(year, month, day) * kMsPerDay;
    if (text.size() == 10) {
        return midnight;
    }
    const int hour = digits(text, 11, 2);
    const int minute = digits(text, 14, 2);
    const int second = digits(text, 17, 2);
    if ((text[10] != 'T' && text[10] != 't') || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 59 || text[13] != ':' || text[16] != ':') {
        return std::nullopt;
    }
    return with_suffix(text.substr(19), midnight + ((hour * 60LL + minute) * 60 + second) * 1000);
}

}  // namespace rh::model
