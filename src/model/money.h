// Money: an exact decimal with 6 fraction digits, never floating point. One amount of a row fits in
// Money (12 digits before the point, 6 after); sums of amounts are MoneySum, which cannot overflow
// for any number of rows a file can have.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rh::model {

struct Money {
    int64_t micros = 0;  // millionths of the unit of currency
    auto operator<=>(const Money&) const = default;
};

inline constexpr int64_t kMicrosPerUnit = 1'000'000;
inline constexpr int64_t kMoneyMicrosMax = 999'999'999'999'999'999;  // 12 + 6 digits

struct MoneySum {
    __int128 micros = 0;
    bool operator==(const MoneySum&) const = default;
    void add(int64_t m) { micros += m; }
};

// "12.5", "0", "-0.000001": no trailing zeros, no exponent. The form of every amount the API sends.
std::string to_string(Money amount);
std::string to_string(MoneySum sum);
void append(std::string& out, MoneySum sum);

// Plain decimals only ("-12.500000"), as this program and ClickHouse print them; nullopt for
// anything else. The rules for amounts in uploaded files are wider and live in csv/.
std::optional<MoneySum> parse_money_sum(std::string_view text);

}  // namespace rh::model
