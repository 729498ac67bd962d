#include "aggregates/period.h"

#include <fmt/format.h>

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

std::string period_text(Granularity granularity, int64_t period) {
    switch (granularity) {
        case Granularity::hour:
            return model::format_rfc3339(period * 1000);
        case Granularity::day:
            return model::format_rfc3339(period * model::kMsPerDay).substr(0, 10);
        case Granularity::month:
            return fmt::format("{:04}-{:02}", period / 100, period % 100);
        case Granularity::total:
            break;
    }
    return {};
}

}  // namespace rh::aggregates
