#include "model/money.h"

#include <limits>

#include <gtest/gtest.h>

namespace rh::model {
namespace {

TEST(Money, prints_the_shortest_exact_decimal) {
    EXPECT_EQ(to_string(Money{0}), "0");
    EXPECT_EQ(to_string(Money{1}), "0.000001");
    EXPECT_EQ(to_string(Money{-50'000}), "-0.05");
    EXPECT_EQ(to_string(Money{12'000'000}), "12");
    EXPECT_EQ(to_string(Money{kMoneyMicrosMax}), "999999999999.999999");
}

TEST(Money, sums_beyond_64_bits_stay_exact) {
    MoneySum sum;
    for (int i = 0; i < 1000; ++i) {
        sum.add(kMoneyMicrosMax);
    }
    EXPECT_EQ(to_string(sum), "999999999999999.999");
    constexpr __int128 kWord = __int128{1} << 64;
    EXPECT_EQ(to_string(MoneySum{kWord - 1}), "18446744073709.551615");
    EXPECT_EQ(to_string(MoneySum{kWord}), "18446744073709.551616");
    EXPECT_EQ(to_string(MoneySum{-kWord}), "-18446744073709.551616");
    EXPECT_EQ(to_string(MoneySum{std::numeric_limits<__int128>::min()}),
              "-170141183460469231731687303715884.105728");
}

TEST(Money, reads_back_what_it_prints) {
    for (const int64_t micros : {0L, 1L, -1L, 999'999L, 1'000'000L, -1'234'567L, kMoneyMicrosMax}) {
        EXPECT_EQ(parse_money_sum(to_string(Money{micros})), MoneySum{micros});
    }
    EXPECT_EQ(parse_money_sum("12.500000"), MoneySum{12'500'000});
}

TEST(Money, refuses_what_is_no_plain_decimal) {
    for (const char* text : {"", "-", ".", ".5", "5.", "1e5", "1,5", "0.1234567", " 1", "NaN"}) {
        EXPECT_EQ(parse_money_sum(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace rh::model
