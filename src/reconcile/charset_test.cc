#include "reconcile/charset.h"

#include <string>

#include <gtest/gtest.h>

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
