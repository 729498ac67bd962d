#include "aggregates/period.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "model/timestamp.h"

namespace rh::aggregates {
namespace {

constexpr int64_t kHourS = 3600;
constexpr int64_t kDayS = 24 * kHourS;

int64_t month_begin_s(int64_t month) {
    return model::days_from_civil(static_cast<int>(month / 100), static_cast<int>(month % 100), 1) *
           kDayS;
}

int64_t month_after(int64_t month) { return month % 100 == 12 ? month + 89 : month + 1; }

}  // namespace

bool valid_period(Granularity granularity, int64_t period) {
    switch (granularity) {
        case Granularity::hour:
            return period >= 0 && period < (int64_t{1} << 32) && period % kHourS == 0;
        case Granularity::day:
            return period >= -1 && period <= (int64_t{1} << 32) / kDayS + 1;
        case Granularity::month:
            return period >= 196912 && period <= 210612 && period % 100 >= 1 && period % 100 <= 12;
        case Granularity::total:
            return period == 0;
    }
    return false;
}

int64_t period_begin_s(Granularity granularity, int offset_hours, int64_t period) {
    switch (granularity) {
        case Granularity::hour:
            return period;
        case Granularity::day:
            return period * kDayS - offset_hours * kHourS;
        case Granularity::month:
            return month_begin_s(period) - offset_hours * kHourS;
        case Granularity::total:
            return 0;
    }
    return 0;
}

int64_t period_end_s(Granularity granularity, int offset_hours, int64_t period) {
    switch (granularity) {
        case Granularity::hour:
            return period + kHourS;
        case Granularity::day:
            return period_begin_s(granularity, offset_hours, period + 1);
        case Granularity::month:
            return period_begin_s(granularity, offset_hours, month_after(period));
        case Granularity::total:
            return int64_t{1} << 32;
    }
    return 0;
}

void append_period(std::string& out, Granularity granularity, int64_t period) {
    std::array<char, 20> text = {'0', '0', '0', '0', '-', '0', '0', '-', '0', '0',
                                 'T', '0', '0', ':', '0', '0', ':', '0', '0', 'Z'};
    const auto write = [&text](size_t at, size_t digits, auto value) {
        for (; digits > 0; --digits, value /= 10) {
            text[at + digits - 1] = static_cast<char>('0' + value % 10);
        }
    };
    const auto write_day = [&](int64_t day) {
        const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
        write(0, 4, static_cast<int>(date.year()));
        write(5, 2, static_cast<unsigned>(date.month()));
        write(8, 2, static_cast<unsigned>(date.day()));
    };
    switch (granularity) {
        case Granularity::hour:
            write_day(period / kDayS);
            write(11, 2, period % kDayS / kHourS);
            out.append(text.data(), 20);
            break;
        case Granularity::day:
            write_day(period);
            out.append(text.data(), 10);
            break;
        case Granularity::month:
            write(0, 4, period / 100);
            write(5, 2, period % 100);
            out.append(text.data(), 7);
            break;
        case Granularity::total:
            break;
    }
}

std::string period_text(Granularity granularity, int64_t period) {
    std::string text;
    append_period(text, granularity, period);
    return text;
}

}  // namespace rh::aggregates
