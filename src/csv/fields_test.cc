#include "csv/fields.h"

#include <ctime>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "model/money.h"

namespace rh::csv {
namespace {

using model::RejectCode;

// The text with slack behind it, filled with what would change the value if it were read.
struct Slacked {
    explicit Slacked(const std::string& text) : bytes(text + std::string(kFieldSlack, '9')) {}
    std::string bytes;
};

std::string amount(const std::string& text, const AmountRules& rules = {}) {
    const Slacked s(text);
    int64_t micros = 0;
    uint32_t none = 0;
    const FaultMark fault = parse_amount(s.bytes.data(), text.size(), rules, micros, none);
    return fault != kFine ? std::string(name(code_of(fault)))
           : none != 0    ? "none"
                          : model::to_string(model::Money{micros});
}

std::string integer(const std::string& text) {
    const Slacked s(text);
    int64_t value = 0;
    const FaultMark fault = parse_integer(s.bytes.data(), text.size(), value);
    return fault != kFine ? std::string(name(code_of(fault))) : std::to_string(value);
}

std::string timestamp(const std::string& text, int64_t zone_ms = 0) {
    const Slacked s(text);
    int64_t ms = 0;
    const FaultMark fault = parse_timestamp(s.bytes.data(), text.size(), zone_ms, ms);
    return fault != kFine ? std::string(name(code_of(fault))) : std::to_string(ms);
}

// Decimal text by long multiplication of digits, written apart from the parser: the value in
// millionths as digits, or why there is none.
std::string amount_slowly(bool minus, const std::string& before, const std::string& behind,
                          int exponent) {
    std::string digits = before + behind;
    int point = static_cast<int>(before.size()) + exponent;  // digits before the point
    while (point < 0) {
        digits.insert(0, "0");
        ++point;
    }
    while (static_cast<int>(digits.size()) < point) {
        digits += '0';
    }
    std::string whole = digits.substr(0, static_cast<size_t>(point));
    std::string fraction = digits.substr(static_cast<size_t>(point));
    whole.erase(0, whole.find_first_not_of('0'));
    fraction.erase(fraction.find_last_not_of('0') + 1);
    if (whole.size() > 12) {
        return "decimal_out_of_range";
    }
    if (fraction.size() > 6) {
        return "decimal_too_precise";
    }
    if (whole.empty() && fraction.empty()) {
        return "0";
    }
    const std::string text =
        (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
    return minus ? "negative_amount" : text;
}

TEST(Amount, EqualsSlowArithmetic) {
    std::mt19937_64 random(test_seed());
    const auto digits = [&](size_t most) {
        std::string text;
        for (size_t n = random() % (most + 1); n > 0; --n) {
            text += static_cast<char>('0' + (random() % 3 == 0 ? 0 : random() % 10));
        }
        return text;
    };
    for (int n = 0; n < 200'000; ++n) {
        const bool small = random() % 2 == 0;
        const std::string before = digits(small ? 4 : 15);
        const std::string behind = digits(small ? 4 : 9);
        if (before.empty() && behind.empty()) {
            continue;
        }
        const bool minus = random() % 8 == 0;
        const bool plus = !minus && random() % 8 == 0;
        const int exponent = random() % 3 == 0 ? static_cast<int>(random() % 30) - 15 : 0;
        std::string text = (minus ? "-" : plus ? "+" : "") + before;
        text += !behind.empty() || random() % 4 == 0 ? "." + behind : "";
        text += exponent != 0 ? fmt::format("{}{}{}", random() % 2 == 0 ? "e" : "E",
                                            exponent > 0 && random() % 2 == 0 ? "+" : "", exponent)
                              : "";
        ASSERT_EQ(amount(text), amount_slowly(minus, before, behind, exponent)) << text;
    }
}

TEST(Amount, BoundsAndOnePast) {
    EXPECT_EQ(amount("999999999999.999999"), "999999999999.999999");
    EXPECT_EQ(amount("1000000000000"), "decimal_out_of_range");
    EXPECT_EQ(amount("0.000001"), "0.000001");
    EXPECT_EQ(amount("0.0000001"), "decimal_too_precise");
    EXPECT_EQ(amount("1e11"), "100000000000");
    EXPECT_EQ(amount("1e12"), "decimal_out_of_range");
    EXPECT_EQ(amount("1e-6"), "0.000001");
    EXPECT_EQ(amount("1e-7"), "decimal_too_precise");
    EXPECT_EQ(amount("1e-05"), "0.00001");
    EXPECT_EQ(amount("0.10000000000000000000000"), "0.1");
    EXPECT_EQ(amount("0e999999999999999999999"), "0");
    EXPECT_EQ(amount("1e999999999999999999999"), "decimal_out_of_range");
    EXPECT_EQ(amount("1e-999999999999999999999"), "decimal_too_precise");
    EXPECT_EQ(amount("-0"), "0");
    EXPECT_EQ(amount("-0.01"), "negative_amount");
    EXPECT_EQ(amount("-0.01", {.allow_negative = true}), "-0.01");
    EXPECT_EQ(amount("-999999999999.999999", {.allow_negative = true}), "-999999999999.999999");
}

TEST(Amount, NoAmountHasFiveSpellings) {
    for (const char* text : {"", "NaN", "null", "NULL", "\\N", " ", "\t NaN "}) {
        EXPECT_EQ(amount(text), "none") << text;
        EXPECT_EQ(amount(text, {.empty_is_reject = true}), "empty_amount") << text;
    }
    for (const char* text :
         {"nan", "NAN", "Null", "None", "N/A", "-",     "+",   ".",   "e5",      "1e",   "1e+",
          "1,5", "1 0", "0x1",  "1_0",  "--1", "1.2.3", "inf", "\\n", "1.5 EUR", "1e5.0"}) {
        EXPECT_EQ(amount(text), "bad_decimal") << text;
    }
}

TEST(Integer, EqualsTheStandardLibraryAndItsBounds) {
    std::mt19937_64 random(test_seed());
    for (int n = 0; n < 100'000; ++n) {
        const uint64_t value = (random() >> 1) >> (random() % 63);
        const std::string text = std::to_string(value);
        ASSERT_EQ(integer(text), text);
        ASSERT_EQ(integer(std::string(random() % 12, '0') + text), text);
    }
    EXPECT_EQ(integer("9223372036854775807"), "9223372036854775807");
    EXPECT_EQ(integer("9223372036854775808"), "integer_out_of_range");
    EXPECT_EQ(integer("99999999999999999999999999"), "integer_out_of_range");
    // What is left of them in 64 bits is a small number.
    EXPECT_EQ(integer("18446744073709551616"), "integer_out_of_range");
    EXPECT_EQ(integer("36893488147419103239"), "integer_out_of_range");
    EXPECT_EQ(integer("-1"), "integer_out_of_range");
    EXPECT_EQ(integer("-0"), "0");
    EXPECT_EQ(integer("+7"), "7");
    EXPECT_EQ(integer(" 7\t"), "7");
    EXPECT_EQ(integer(""), "missing_value");
    EXPECT_EQ(integer("  "), "missing_value");
    for (const char* text :
         {"1.0", "1e3", "+", "-", "0x1", "1 2", "a", "12345678a", "1234567890123456a"}) {
        EXPECT_EQ(integer(text), "bad_integer") << text;
    }
}

TEST(Integer, EachByteAtEachPlaceThatIsNoDigitIsSeen) {
    for (size_t length = 1; length <= 17; ++length) {
        for (size_t at = 0; at < length; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(length, '1');
                text[at] = static_cast<char>(byte);
                const bool digit = byte >= '0' && byte <= '9';
                const bool edge = (byte == ' ' || byte == '\t') && (at == 0 || at + 1 == length);
                const bool sign = (byte == '+' || byte == '-') && at == 0 && length > 1;
                ASSERT_EQ(integer(text) == "bad_integer", !digit && !edge && !sign) << text;
            }
        }
    }
}

TEST(Timestamp, EqualsTimegmOverAllDays) {
    for (int64_t day = -800; day < 50'500; ++day) {
        const std::time_t seconds = day * 86'400 + (day * 7919 % 86'400 + 86'400) % 86'400;
        std::tm civil{};
        ASSERT_NE(gmtime_r(&seconds, &civil), nullptr);
        const std::string text = fmt::format(
            "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", civil.tm_year + 1900, civil.tm_mon + 1,
            civil.tm_mday, day % 2 == 0 ? ' ' : 'T', civil.tm_hour, civil.tm_min, civil.tm_sec);
        const bool fits = seconds >= 0 && civil.tm_year < 2106 - 1900;
        ASSERT_EQ(timestamp(text), fits ? std::to_string(seconds * 1000) : "timestamp_out_of_range")
            << text;
    }
}

TEST(Timestamp, FractionsAreCutAndOffsetsApplied) {
    const int64_t base = 1'571'732'441'000;
    EXPECT_EQ(timestamp("2019-10-22 08:20:41"), std::to_string(base));
    EXPECT_EQ(timestamp("2019-10-22 08:20:41.1"), std::to_string(base + 100));
    EXPECT_EQ(timestamp("2019-10-22 08:20:41.12"), std::to_string(base + 120));
    EXPECT_EQ(timestamp("2019-10-22 08:20:41.123999999"), std::to_string(base + 123));
    EXPECT_EQ(timestamp("2019-10-22 08:20:41.1239999999"), "bad_timestamp");
    EXPECT_EQ(timestamp("2019-10-22T08:20:41Z", 3'600'000), std::to_string(base));
    EXPECT_EQ(timestamp("2019-10-22T08:20:41", 3'600'000), std::to_string(base - 3'600'000));
    EXPECT_EQ(timestamp("2019-10-22T08:20:41+02:00"), std::to_string(base - 7'200'000));
    EXPECT_EQ(timestamp("2019-10-22T08:20:41.5-0230"), std::to_string(base + 9'000'500));
    EXPECT_EQ(timestamp("2019-10-22T08:20:41+23:59"), std::to_string(base - 86'340'000));
    EXPECT_EQ(timestamp(" 2019-10-22 08:20:41 "), std::to_string(base));
    EXPECT_EQ(timestamp("1970-01-01 00:00:00"), "0");
    EXPECT_EQ(timestamp("1969-12-31 23:59:59.999"), "timestamp_out_of_range");
    EXPECT_EQ(timestamp("1970-01-01 00:59:59", 3'600'000), "timestamp_out_of_range");
    EXPECT_EQ(timestamp("1970-01-01 01:00:00", 3'600'000), "0");
    EXPECT_EQ(timestamp("2105-12-31 23:59:59.999"), "4291747199999");
    EXPECT_EQ(timestamp("2106-01-01 00:00:00"), "timestamp_out_of_range");
    EXPECT_EQ(timestamp("9999-12-31 00:00:00"), "timestamp_out_of_range");
    EXPECT_EQ(timestamp("9999-02-30 00:00:00"), "bad_timestamp");
    EXPECT_EQ(timestamp(""), "missing_value");
}

TEST(Timestamp, OtherFormsAreBad) {
    for (const char* text : {"2019-10-22",
                             "2019-10-22 08:20",
                             "2019/10/22 08:20:41",
                             "2019-10-22t08:20:41",
                             "2019-10-22 08:20:41z",
                             "2019-10-22 08:20:41 Z",
                             "2019-10-22 08:20:41.",
                             "2019-10-22 08:20:41.Z",
                             "2019-10-22 08:20:41+",
                             "2019-10-22 08:20:41+2",
                             "2019-10-22 08:20:41+24",
                             "2019-10-22 08:20:41+02:60",
                             "2019-10-22 08:20:41+02:0",
                             "2019-10-22 08:20:41+02:000",
                             "2019-10-22 08:20:41+020",
                             "2019-02-29 00:00:00",
                             "2100-02-29 00:00:00",
                             "2019-04-31 00:00:00",
                             "2019-00-10 00:00:00",
                             "2019-10-00 00:00:00",
                             "2019-13-01 00:00:00",
                             "2019-10-22 24:00:00",
                             "2019-10-22 08:60:00",
                             "2019-10-22 08:20:60",
                             "2019-1-22 08:20:410",
                             "x"}) {
        EXPECT_EQ(timestamp(text), "bad_timestamp") << text;
    }
    EXPECT_EQ(timestamp("2000-02-29 00:00:00"), "951782400000");
}

TEST(Timestamp, EachByteAtEachPlaceIsChecked) {
    const std::string good = "2019-10-12 08:20:41";
    for (size_t at = 0; at < good.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string text = good;
            text[at] = static_cast<char>(byte);
            const bool digit = byte >= '0' && byte <= '9';
            const bool place_of_digit = good[at] >= '0' && good[at] <= '9';
            const bool form =
                place_of_digit ? digit : byte == good[at] || (at == 10 && byte == 'T');
            if (!form) {
                ASSERT_EQ(timestamp(text), "bad_timestamp") << text;
            }
        }
    }
}

}  // namespace
}  // namespace rh::csv
