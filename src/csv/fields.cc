#include "csv/fields.h"

#include <array>
#include <string_view>

#include "model/timestamp.h"

namespace rh::csv {
namespace {

using model::RejectCode;

std::string_view trimmed(const char* p, size_t n) {
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        ++p;
        --n;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t')) {
        --n;
    }
    return {p, n};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// First days of the months of 1969 to 2106, one more at the end: an offset may carry a date over
// either border of the accepted years.
constexpr int kFirstYear = 1969;
constexpr int kLastYear = 2106;
constexpr size_t kMonths = static_cast<size_t>(kLastYear - kFirstYear + 1) * 12;

constexpr bool leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

constexpr std::array<int32_t, kMonths + 1> month_starts() {
    constexpr std::array<int32_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    std::array<int32_t, kMonths + 1> starts{};
    int32_t day = -365;
    for (size_t m = 0; m < kMonths; ++m) {
        starts[m] = day;
        const int year = kFirstYear + static_cast<int>(m / 12);
        day += kDays[m % 12] + (m % 12 == 1 && leap(year) ? 1 : 0);
    }
    starts[kMonths] = day;
    return starts;
}

constexpr auto kMonthStarts = month_starts();
constexpr int64_t kEndMs = int64_t{kMonthStarts[kMonths - 12]} * model::kMsPerDay;  // 2106-01-01

// "2019-10-22 08:20:41" as numbers; not yet a calendar date.
struct Civil {
    uint32_t year, month, day, hour, minute, second;
};

// 0 where `word` has digits at the places of '0' in the form and equals it elsewhere. `slack` is
// 0x76 for a digit and 0x7F for a fixed character.
constexpr uint64_t deviation(uint64_t word, uint64_t form, uint64_t slack) {
    const uint64_t values = word ^ form;
    return (values | (values + slack)) & kHighBits;
}

constexpr uint64_t text8(const char (&s)[9]) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; ++i) {
        word |= uint64_t{static_cast<uint8_t>(s[i])} << (8 * i);
    }
    return word;
}

// Reads the 19 characters at `p`; false if they have another form.
inline bool read_civil(const char* p, Civil& c) {
    constexpr uint64_t kDate = text8("0000-00-");
    constexpr uint64_t kTime = text8("00:00:00");
    constexpr uint64_t kDateSlack = 0x7F76767F76767676;
    constexpr uint64_t kTimeSlack = 0x76767F76767F7676;
    const uint64_t date = load8(p);
    const uint64_t time = load8(p + 11);
    const auto day_tens = static_cast<uint8_t>(p[8] - '0');
    const auto day_ones = static_cast<uint8_t>(p[9] - '0');
    const bool separated = p[10] == ' ' || p[10] == 'T';
    const uint64_t wrong = deviation(date, kDate, kDateSlack) | deviation(time, kTime, kTimeSlack);
    if (wrong != 0 || day_tens > 9 || day_ones > 9 || !separated) {
        return false;
    }
    const uint64_t d = (date ^ kDate) * 10 + ((date ^ kDate) >> 8);  // pairs in bytes 0, 2, 5
    const uint64_t t = (time ^ kTime) * 10 + ((time ^ kTime) >> 8);  // pairs in bytes 0, 3, 6
    c.year = static_cast<uint32_t>((d & 0xFF) * 100 + ((d >> 16) & 0xFF));
    c.month = static_cast<uint32_t>((d >> 40) & 0xFF);
    c.day = uint32_t{day_tens} * 10 + day_ones;
    c.hour = static_cast<uint32_t>(t & 0xFF);
    c.minute = static_cast<uint32_t>((t >> 24) & 0xFF);
    c.second = static_cast<uint32_t>((t >> 48) & 0xFF);
    return true;
}

// Milliseconds since 1970 of a civil time, not yet judged by range.
inline FaultMark to_ms(const Civil& c, int64_t& ms) {
    if (c.hour > 23 || c.minute > 59 || c.second > 59) {
        return mark(RejectCode::bad_timestamp);
    }
    const uint32_t years = c.year - kFirstYear;
    if (years > kLastYear - kFirstYear) {
        return model::valid_civil(static_cast<int>(c.year), static_cast<int>(c.month),
                                  static_cast<int>(c.day))
                   ? mark(RejectCode::timestamp_out_of_range)
                   : mark(RejectCode::bad_timestamp);
    }
    if (c.month - 1 > 11) {
        return mark(RejectCode::bad_timestamp);
    }
    const size_t month = size_t{years} * 12 + c.month - 1;
    const int32_t start = kMonthStarts[month];
    if (c.day - 1 >= static_cast<uint32_t>(kMonthStarts[month + 1] - start)) {
        return mark(RejectCode::bad_timestamp);
    }
    const uint32_t seconds = (c.hour * 60 + c.minute) * 60 + c.second;
    ms = (int64_t{start} + c.day - 1) * model::kMsPerDay + int64_t{seconds} * 1000;
    return kFine;
}

inline FaultMark in_range(int64_t ms) {
    return static_cast<uint64_t>(ms) < static_cast<uint64_t>(kEndMs)
               ? kFine
               : mark(RejectCode::timestamp_out_of_range);
}

bool two_digits(std::string_view text, size_t at, int64_t below, int64_t& value) {
    if (text.size() < at + 2 || !is_digit(text[at]) || !is_digit(text[at + 1])) {
        return false;
    }
    value = (text[at] - '0') * 10 + (text[at + 1] - '0');
    return value < below;
}

// "Z", "+02:00", "-0230", "+02"; `zone_ms` stays as it is if `text` is empty.
bool read_zone(std::string_view text, int64_t& zone_ms) {
    if (text.empty()) {
        return true;
    }
    if (text == "Z") {
        zone_ms = 0;
        return true;
    }
    int64_t hours = 0;
    int64_t minutes = 0;
    if ((text[0] != '+' && text[0] != '-') || !two_digits(text, 1, 24, hours)) {
        return false;
    }
    const bool colon = text.size() == 6 && text[3] == ':';
    const bool has_minutes = colon || text.size() == 5;
    if (has_minutes ? !two_digits(text, colon ? 4 : 3, 60, minutes) : text.size() != 3) {
        return false;
    }
    zone_ms = (hours * 60 + minutes) * 60'000 * (text[0] == '-' ? -1 : 1);
    return true;
}

// A fraction and a zone, each of which may be missing. Finer than a millisecond is cut.
bool read_suffix(std::string_view text, int64_t& fraction_ms, int64_t& zone_ms) {
    fraction_ms = 0;
    if (!text.empty() && text[0] == '.') {
        size_t digits = 0;
        for (; digits + 1 < text.size() && is_digit(text[digits + 1]); ++digits) {
            if (digits < 3) {
                fraction_ms = fraction_ms * 10 + (text[digits + 1] - '0');
            }
        }
        if (digits == 0 || digits > 9) {
            return false;
        }
        for (size_t d = digits; d < 3; ++d) {
            fraction_ms *= 10;
        }
        text.remove_prefix(1 + digits);
    }
    return read_zone(text, zone_ms);
}

constexpr size_t kCivilBytes = 19;

FaultMark parse_timestamp_slowly(const char* p, size_t n, int64_t zone_ms, int64_t& ms) {
    const std::string_view text = trimmed(p, n);
    if (text.empty()) {
        return mark(RejectCode::missing_value);
    }
    Civil civil{};
    int64_t fraction_ms = 0;
    if (text.size() < kCivilBytes || !read_civil(text.data(), civil) ||
        !read_suffix(text.substr(kCivilBytes), fraction_ms, zone_ms)) {
        return mark(RejectCode::bad_timestamp);
    }
    if (const FaultMark fault = to_ms(civil, ms); fault != kFine) {
        return fault;
    }
    ms += fraction_ms - zone_ms;
    return in_range(ms);
}

// A decimal without leading and trailing zeros: `digits` × 10^exponent.
struct Decimal {
    bool negative = false;
    int64_t digits = 0;  // meaningful if count <= 18
    int64_t count = 0;   // of digits; 0: the number is zero
    int64_t exponent = 0;
};

// False if `text` is no decimal number.
bool read_decimal(std::string_view text, Decimal& out) {
    size_t i = 0;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
        out.negative = text[i++] == '-';
    }
    int64_t zeros = 0;  // seen behind a digit that is not zero, perhaps trailing
    int64_t behind = 0;
    bool point = false;
    bool any = false;
    for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !point)); ++i) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        any = true;
        behind += point ? 1 : 0;
        if (text[i] == '0') {
            zeros += out.count > 0 ? 1 : 0;
            continue;
        }
        out.count += zeros + 1;
        if (out.count <= 18) {
            out.digits = out.digits * kPowersOfTen[zeros + 1] + (text[i] - '0');
        }
        zeros = 0;
    }
    if (!any) {
        return false;
    }
    int64_t written = 0;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        const bool minus = i < text.size() && text[i] == '-';
        if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
            ++i;
        }
        if (i == text.size()) {
            return false;
        }
        constexpr int64_t kFar = 100'000'000;  // beyond the length of any record
        for (; i < text.size() && is_digit(text[i]); ++i) {
            written = written < kFar ? written * 10 + (text[i] - '0') : kFar;
        }
        written = minus ? -written : written;
    }
    out.exponent = zeros - behind + written;
    return i == text.size();
}

bool is_no_amount(std::string_view text) {
    return text.empty() || text == "NaN" || text == "null" || text == "NULL" || text == "\\N";
}

}  // namespace

FaultMark parse_timestamp(const char* p, size_t n, int64_t zone_ms, int64_t& ms) {
    Civil civil{};
    if (n == kCivilBytes && read_civil(p, civil)) [[likely]] {
        const FaultMark fault = to_ms(civil, ms);
        if (fault == kFine) [[likely]] {
            ms -= zone_ms;
            return in_range(ms);
        }
        return fault;
    }
    return parse_timestamp_slowly(p, n, zone_ms, ms);
}

FaultMark parse_integer_slowly(const char* p, size_t n, int64_t& value) {
    const std::string_view text = trimmed(p, n);
    if (text.empty()) {
        return mark(RejectCode::missing_value);
    }
    const bool minus = text[0] == '-';
    size_t i = minus || text[0] == '+' ? 1 : 0;
    if (i == text.size()) {
        return mark(RejectCode::bad_integer);
    }
    uint64_t number = 0;
    bool large = false;
    for (; i < text.size(); ++i) {
        if (!is_digit(text[i])) {
            return mark(RejectCode::bad_integer);
        }
        const auto digit = static_cast<uint64_t>(text[i] - '0');
        large = large || number > (static_cast<uint64_t>(INT64_MAX) - digit) / 10;
        number = number * 10 + digit;
    }
    if (large || (minus && number != 0)) {
        return mark(RejectCode::integer_out_of_range);
    }
    value = static_cast<int64_t>(number);
    return kFine;
}

FaultMark parse_amount_slowly(const char* p, size_t n, const AmountRules& rules, int64_t& micros,
                              uint32_t& none) {
    const std::string_view text = trimmed(p, n);
    none = is_no_amount(text) ? 1 : 0;
    micros = 0;
    if (none != 0) {
        return rules.empty_is_reject ? mark(RejectCode::empty_amount) : kFine;
    }
    Decimal decimal;
    if (!read_decimal(text, decimal)) {
        return mark(RejectCode::bad_decimal);
    }
    if (decimal.count == 0) {
        return kFine;
    }
    if (decimal.count + decimal.exponent > 12) {
        return mark(RejectCode::decimal_out_of_range);
    }
    if (decimal.exponent < -6) {
        return mark(RejectCode::decimal_too_precise);
    }
    if (decimal.negative && !rules.allow_negative) {
        return mark(RejectCode::negative_amount);
    }
    // At most 12 digits before the point and 6 behind it: no more than 18 in all.
    micros = decimal.digits * kPowersOfTen[decimal.exponent + 6];
    micros = decimal.negative ? -micros : micros;
    return kFine;
}

}  // namespace rh::csv
