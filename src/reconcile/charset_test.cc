#include "reconcile/charset.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace rh::reconcile {
namespace {

using namespace std::string_literals;

std::string decoded(Charset charset, std::string_view bytes, size_t piece) {
    auto decoder = Decoder::open(charset);
    EXPECT_TRUE(decoder);
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = decoder->feed(bytes.substr(at, piece));
        EXPECT_TRUE(part);
        text += *part;
    }
    text += decoder->finish();
    return text;
}

TEST(Decoder, GivesUtf8WithoutBomWhereverItIsCut) {
    for (size_t piece = 1; piece < 8; ++piece) {
        EXPECT_EQ(decoded(Charset::utf8,
                          "\xEF\xBB\xBF"
                          "a\xC3\xA9",
                          piece),
                  "a\xC3\xA9");
        EXPECT_EQ(decoded(Charset::utf16le,
                          "\xFF\xFE"
                          "a\0\xE9\0\x3D\xD8\x00\xDE"s,
                          piece),
                  "a\xC3\xA9\xF0\x9F\x98\x80");
        EXPECT_EQ(decoded(Charset::utf16be, "\0a\0\xE9"s, piece), "a\xC3\xA9");
        EXPECT_EQ(decoded(Charset::windows1252, "\x80\xE9", piece), "\xE2\x82\xAC\xC3\xA9");
    }
}

TEST(Decoder, MarksWhatItCannotDecodeAndGoesOn) {
    EXPECT_EQ(decoded(Charset::windows1252,
                      "a\x81"
                      "b",
                      3),
              "a\xFF"
              "b");
    EXPECT_EQ(decoded(Charset::utf16le,
                      "a\0\x00\xDC"
                      "b\0"s,
                      6),
              "a\xFF"
              "b");
    EXPECT_EQ(decoded(Charset::utf16le, "a\0b"s, 3), "a\xFF");
}

void append_utf8(std::string& text, uint32_t c) {
    const auto byte = [&](uint32_t value) { text += static_cast<char>(value); };
    if (c < 0x80) {
        byte(c);
    } else if (c < 0x800) {
        byte(0xC0 | c >> 6);
        byte(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        byte(0xE0 | c >> 12);
        byte(0x80 | (c >> 6 & 0x3F));
        byte(0x80 | (c & 0x3F));
    } else {
        byte(0xF0 | c >> 18);
        byte(0x80 | (c >> 12 & 0x3F));
        byte(0x80 | (c >> 6 & 0x3F));
        byte(0x80 | (c & 0x3F));
    }
}

TEST(Decoder, GivesTheSameAsOneUnitAfterTheOther) {
    const uint64_t seed = test_seed();
    SCOPED_TRACE("RH_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 2'000; ++round) {
        std::string be;
        std::string le;
        std::string expected;
        uint32_t high = 0;  // a first half of a pair that waits for its second one
        const uint64_t others = 1 + random() % 60;
        for (uint64_t i = 0, n = random() % 200; i < n; ++i) {
            uint32_t unit = random() % 0x80;
            if (random() % others == 0) {
                constexpr uint32_t kFrom[] = {0x80, 0x800, 0xD800, 0xD800, 0xDC00, 0xE000};
                constexpr uint32_t kSpan[] = {0x780, 0xD000, 0x400, 0x400, 0x400, 0x1000};
                const size_t kind = random() % 6;
                unit = kFrom[kind] + random() % kSpan[kind];
            }
            be += {static_cast<char>(unit >> 8), static_cast<char>(unit)};
            le += {static_cast<char>(unit), static_cast<char>(unit >> 8)};
            const bool second = unit >= 0xDC00 && unit < 0xE000;
            if (high != 0 && second) {
                append_utf8(expected, 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00));
                high = 0;
                continue;
            }
            expected += high != 0 ? "\xFF" : "";
            high = unit >= 0xD800 && unit < 0xDC00 ? unit : 0;
            if (second) {
                expected += '\xFF';
            } else if (high == 0) {
                append_utf8(expected, unit);
            }
        }
        expected += high != 0 ? "\xFF" : "";
        for (const size_t piece : {size_t{1}, size_t{2}, size_t{37}, size_t{1000}}) {
            ASSERT_EQ(decoded(Charset::utf16be, be, piece), expected) << round << ' ' << piece;
            ASSERT_EQ(decoded(Charset::utf16le, le, piece), expected) << round << ' ' << piece;
        }
    }
    const std::string ascii(100, 'x');
    for (size_t before = 0; before < 40; ++before) {
        const std::string text = ascii.substr(0, before) + "\x80\x81\xE9" + ascii;
        for (const size_t piece : {size_t{1}, size_t{17}, size_t{1000}}) {
            EXPECT_EQ(decoded(Charset::windows1252, text, piece),
                      ascii.substr(0, before) + "\xE2\x82\xAC\xFF\xC3\xA9" + ascii);
        }
    }
}

Charset detected(std::string_view bytes) {
    CharsetDetector detector;
    for (const char c : bytes) {
        detector.feed({&c, 1});
    }
    return detector.decide();
}

TEST(CharsetDetector, SeesBomsThenZerosThenUtf8) {
    EXPECT_EQ(detected("\xEF\xBB\xBF\xE9"), Charset::utf8);
    EXPECT_EQ(detected("\xFF\xFE"
                       "a\0"s),
              Charset::utf16le);
    EXPECT_EQ(detected("\xFE\xFF\0a"s), Charset::utf16be);
    EXPECT_EQ(detected("a\0b\0c\0"s), Charset::utf16le);
    EXPECT_EQ(detected("\0a\0b\0c"s), Charset::utf16be);
    EXPECT_EQ(detected("plain"), Charset::utf8);
    EXPECT_EQ(detected("caf\xC3\xA9 caf\xC3\xA9 caf\xE9 "), Charset::utf8);
    EXPECT_EQ(detected("caf\xE9 cr\xE8me"), Charset::windows1252);
}

std::string judged(std::string_view bytes, std::optional<Charset> asked = std::nullopt) {
    CharsetDetector detector;
    detector.feed(bytes);
    const auto charset = detector.judge(asked);
    return charset ? std::string(name(*charset)) : charset.error().code;
}

TEST(CharsetDetector, JudgesWhatIsNoTextCutOrNamedWrongly) {
    EXPECT_EQ(judged("a,b\n"), "utf-8");
    EXPECT_EQ(judged("a,b\n\0"s), "binary_file");
    EXPECT_EQ(judged("a\0b\0\0\0"s), "binary_file");
    EXPECT_EQ(judged("\0a\0b\x4E\x00\x00\x4E"s), "utf-16be");
    for (const auto* const packed : {"\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "PK\x03\x04"}) {
        EXPECT_EQ(judged(packed), "binary_file");
    }
    EXPECT_EQ(judged("a\0b\0c"s), "truncated_encoding");
    EXPECT_EQ(judged("a\0b\0\x3D\xD8"s), "truncated_encoding");
    EXPECT_EQ(judged("\0a\0b\xD8\x3D"s), "truncated_encoding");
    EXPECT_EQ(judged("\0a\0b\xD8\x3D\xDE\x00"s), "utf-16be");
    EXPECT_EQ(judged("a,b\n", Charset::utf16le), "wrong_encoding");
    EXPECT_EQ(judged("a\0b\0"s, Charset::utf8), "wrong_encoding");
    EXPECT_EQ(judged("a\0b\0"s, Charset::utf16be), "wrong_encoding");
    EXPECT_EQ(judged("\xEF\xBB\xBF"
                     "a",
                     Charset::windows1252),
              "wrong_encoding");
    EXPECT_EQ(judged("caf\xC3\xA9", Charset::windows1252), "windows-1252");
}

// U+4E00 has its zero byte where that of ASCII is not.
TEST(CharsetDetector, IsNotMisledByWhatFollowsTheHeader) {
    std::string le;
    for (int i = 0; i < 128; ++i) {
        le += "h\0"s;
    }
    std::string be = "\0"s + le.substr(0, 255);
    for (int i = 0; i < 1000; ++i) {
        le += "\x00\x4E"s;
        be += "\x4E\x00"s;
    }
    EXPECT_EQ(judged(le), "utf-16le");
    EXPECT_EQ(judged(be), "utf-16be");
    const std::string odd = "\x4E\x00\x00\x4E\x4E\x00\x00\x4E"s;
    EXPECT_EQ(judged(odd), "binary_file");
    EXPECT_EQ(judged(odd, Charset::utf16be), "utf-16be");
    EXPECT_EQ(judged(odd, Charset::utf16le), "utf-16le");
}

TEST(Charset, IsNamedAsTheApiNamesIt) {
    for (const Charset charset :
         {Charset::utf8, Charset::utf16le, Charset::utf16be, Charset::windows1252}) {
        EXPECT_EQ(parse_charset(name(charset)), charset);
    }
    EXPECT_EQ(parse_charset("UTF-16LE"), Charset::utf16le);
    EXPECT_EQ(parse_charset("latin1"), std::nullopt);
}

}  // namespace
}  // namespace rh::reconcile
