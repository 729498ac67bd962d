#include "model/money.h"

#include <algorithm>
#include <array>
#include <limits>

namespace rh::model {

namespace {

// Writes the digits of `value` before `end` and returns where they begin.
template <class Number>
char* write_digits(char* end, Number value) {
    do {
        *--end = static_cast<char>('0' + static_cast<int>(value % 10));
        value /= 10;
    } while (value != 0);
    return end;
}

}  // namespace

void append(std::string& out, MoneySum sum) {
    const bool negative = sum.micros < 0;
    const unsigned __int128 micros = negative ? -static_cast<unsigned __int128>(sum.micros)
                                              : static_cast<unsigned __int128>(sum.micros);
    std::array<char, 48> text;  // a sign, 39 digits and a point
    char* const end = text.data() + text.size();
    char* begin = end;
    const auto write = [&](auto rest) {  // division of 64 bits is many times as fast
        auto fraction = static_cast<uint32_t>(rest % kMicrosPerUnit);
        if (fraction != 0) {
            int digits = 6;
            for (; fraction % 10 == 0; fraction /= 10) {
                --digits;
            }
            for (; digits > 0; --digits, fraction /= 10) {
                *--begin = static_cast<char>('0' + fraction % 10);
            }
            *--begin = '.';
        }
        begin = write_digits(begin, rest / kMicrosPerUnit);
    };
    if (micros <= std::numeric_limits<uint64_t>::max()) {
        write(static_cast<uint64_t>(micros));
    } else {
        write(micros);
    }
    if (negative) {
        *--begin = '-';
    }
    out.append(begin, end);
}

std::string to_string(MoneySum sum) {
    std::string text;
    append(text, sum);
    return text;
}

std::string to_string(Money amount) { return to_string(MoneySum{amount.micros}); }

std::optional<MoneySum> parse_money_sum(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) {
        text.remove_prefix(1);
    }
    const size_t point = std::min(text.find('.'), text.size());
    const size_t fraction_digits = point == text.size() ? 0 : text.size() - point - 1;
    if (point == 0 || point > 30 || fraction_digits > 6 ||
        (point != text.size() && fraction_digits == 0)) {
        return std::nullopt;
    }
    __int128 micros = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        if (i == point) {
            continue;
        }
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        micros = micros * 10 + (text[i] - '0');
    }
    for (size_t i = fraction_digits; i < 6; ++i) {
        micros *= 10;
    }
    return MoneySum{negative ? -micros : micros};
}

}  // namespace rh::model
