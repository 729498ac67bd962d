#include "model/money.h"

#include <algorithm>

namespace rh::model {

std::string to_string(MoneySum sum) {
    const bool negative = sum.micros < 0;
    unsigned __int128 rest = negative ? -static_cast<unsigned __int128>(sum.micros)
                                      : static_cast<unsigned __int128>(sum.micros);
    auto fraction = static_cast<uint32_t>(rest % kMicrosPerUnit);
    rest /= kMicrosPerUnit;
    std::string text;  // built backwards
    if (fraction != 0) {
        for (int digit = 0; digit < 6; ++digit, fraction /= 10) {
            if (!text.empty() || fraction % 10 != 0) {
                text += static_cast<char>('0' + fraction % 10);
            }
        }
        text += '.';
    }
    do {
        text += static_cast<char>('0' + static_cast<int>(rest % 10));
        rest /= 10;
    } while (rest != 0);
    if (negative) {
        text += '-';
    }
    std::ranges::reverse(text);
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
