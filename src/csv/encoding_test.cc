#include "csv/encoding.h"

#include <random>

#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "csv/utf8.h"

namespace rh::csv {
namespace {

// UTF-16 and UTF-8 of characters, written apart from the program.
std::string utf16(const std::u32string& text, bool big_endian) {
    std::string out;
    const auto unit = [&](uint32_t u) {
        const char low = static_cast<char>(u & 0xFF);
        const char high = static_cast<char>(u >> 8);
        out += big_endian ? high : low;
        out += big_endian ? low : high;
    };
    for (const char32_t c : text) {
        if (c < 0x10000) {
            unit(c);
        } else {
            unit(0xD800 + ((c - 0x10000) >> 10));
            unit(0xDC00 + ((c - 0x10000) & 0x3FF));
        }
    }
    return out;
}

std::string utf8(const std::u32string& text) {
    std::string out;
    for (const char32_t c : text) {
        const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        const uint32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
        out += static_cast<char>(leads[more] | c >> (6 * more));
        for (int i = more - 1; i >= 0; --i) {
            out += static_cast<char>(0x80 | (c >> (6 * i) & 0x3F));
        }
    }
    return out;
}

std::string transcode(Encoding encoding, std::string_view bytes,
                      std::mt19937_64* random = nullptr) {
    Transcoder transcoder(encoding);
    std::string out;
    while (!bytes.empty()) {
        const size_t size =
            random == nullptr ? bytes.size() : std::min<size_t>((*random)() % 70, bytes.size());
        out += transcoder.feed(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
    const auto rest = transcoder.finish();
    return out + (rest ? std::string(*rest) : "!" + rest.error().code);
}

EncodingSniffer::Verdict sniff(std::string_view bytes, size_t piece = SIZE_MAX,
                               std::optional<Encoding> asked = std::nullopt) {
    EncodingSniffer sniffer(asked);
    while (!bytes.empty()) {
        sniffer.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    return sniffer.decide();
}

TEST(Encoding, NamesAndAliases) {
    for (const auto e :
         {Encoding::utf8, Encoding::utf16le, Encoding::utf16be, Encoding::windows1252}) {
        EXPECT_EQ(parse_encoding(name(e)), e);
    }
    EXPECT_EQ(parse_encoding("UTF8"), Encoding::utf8);
    EXPECT_EQ(parse_encoding("utf-16-le"), Encoding::utf16le);
    EXPECT_EQ(parse_encoding("cp1252"), Encoding::windows1252);
    EXPECT_EQ(parse_encoding("latin1"), std::nullopt);
    EXPECT_EQ(parse_encoding("utf-16"), std::nullopt);
    EXPECT_EQ(parse_encoding(""), std::nullopt);
}

TEST(Transcoder, RandomTextInPiecesOfAnySize) {
    const uint64_t seed = test_seed();
    std::mt19937_64 random(seed);
    for (int n = 0; n < 3000; ++n) {
        std::u32string text;
        for (size_t i = random() % 300; i > 0; --i) {
            const char32_t borders[] = {0x7F,   0x80,   0x7FF,   0x800,   0xD7FF,
                                        0xE000, 0xFFFF, 0x10000, 0x10FFFF};
            text += random() % 20 != 0 ? static_cast<char32_t>('a' + random() % 26)
                                       : borders[random() % std::size(borders)];
        }
        const std::string want = utf8(text);
        ASSERT_TRUE(utf8_valid(want));
        ASSERT_EQ(utf8_characters(want), text.size());
        ASSERT_EQ(transcode(Encoding::utf16le, utf16(text, false), &random), want);
        ASSERT_EQ(transcode(Encoding::utf16be, utf16(U"\uFEFF" + text, true), &random), want);
        ASSERT_EQ(transcode(Encoding::utf8, "\xEF\xBB\xBF" + want, &random), want);
        ASSERT_EQ(transcode(Encoding::utf8, want, &random), want);
    }
}

TEST(Transcoder, WhatCannotBeDecodedIsFF) {
    using namespace std::string_literals;
    EXPECT_EQ(transcode(Encoding::utf16be, "\xD8\x00\0a"s),
              "\xFF"
              "a");
    EXPECT_EQ(transcode(Encoding::utf16be, "\xDC\x00\0a"s),
              "\xFF"
              "a");
    EXPECT_EQ(transcode(Encoding::utf16be, "\xD8\x00\xD8\x34\xDD\x1E"s), "\xFF\xF0\x9D\x84\x9E");
    EXPECT_EQ(transcode(Encoding::utf16le, "a\0b"s), "a!truncated_encoding");
    EXPECT_EQ(transcode(Encoding::utf16be, "\0a\xD8\x00"s), "a!truncated_encoding");
    EXPECT_EQ(transcode(Encoding::windows1252, "a\x80\x9F\xA0\xFF"),
              "a\xE2\x82\xAC\xC5\xB8\xC2\xA0\xC3\xBF");
    EXPECT_EQ(transcode(Encoding::windows1252, "\x81\x8D\x8F\x90\x9D"), "\xFF\xFF\xFF\xFF\xFF");
    EXPECT_EQ(transcode(Encoding::utf8, "\xEF\xBB"), "\xEF\xBB");
}

TEST(Sniffer, VerdictsDoNotDependOnPieces) {
    using namespace std::string_literals;
    const std::string head = "created_timestamp,game_instance_id,user_id\n";
    const std::u32string wide(head.begin(), head.end());
    const std::string files[] = {head,
                                 head + "é",
                                 head + "caf\xe9",
                                 head + "é\xe9",
                                 "\xEF\xBB\xBF" + head + "\xe9",
                                 utf16(wide, true),
                                 utf16(wide, false),
                                 "\xFF\xFE"s + utf16(wide, false),
                                 "\xFE\xFF"s + utf16(wide, true),
                                 head + "\0"s,
                                 utf16(wide + U'\0', true),
                                 "",
                                 "a",
                                 std::string(9000, 'x') + "\xF0\x9D\x84\x9E\xF0",
                                 utf16(std::u32string(5000, U'ж'), false)};
    const Encoding want[] = {Encoding::utf8,    Encoding::utf8,    Encoding::windows1252,
                             Encoding::utf8,    Encoding::utf8,    Encoding::utf16be,
                             Encoding::utf16le, Encoding::utf16le, Encoding::utf16be,
                             Encoding::utf8,    Encoding::utf16be, Encoding::utf8,
                             Encoding::utf8,    Encoding::utf8,    Encoding::utf8};
    for (size_t f = 0; f < std::size(files); ++f) {
        const auto whole = sniff(files[f]);
        if (f + 1 < std::size(files)) {  // the last one has no zero bytes to tell by
            EXPECT_EQ(whole.encoding, want[f]) << f;
        }
        EXPECT_EQ(whole.has_nul, f == 9 || f == 10) << f;
        for (const unsigned piece : {1U, 2U, 3U, 7U, 64U, 4096U}) {
            const auto cut = sniff(files[f], piece);
            EXPECT_EQ(cut.encoding, whole.encoding) << f;
            EXPECT_EQ(cut.has_nul, whole.has_nul) << f;
            EXPECT_EQ(cut.invalid_bytes, whole.invalid_bytes) << f;
            EXPECT_EQ(cut.multi_byte_sequences, whole.multi_byte_sequences) << f;
        }
    }
    EXPECT_EQ(sniff(files[13]).multi_byte_sequences, 1U);
    EXPECT_EQ(sniff(files[13]).invalid_bytes, 1U);
}

// The zero byte of U+4E00 is where that of ASCII is not; of U+1F600 (D83D DE00) too.
TEST(Sniffer, IsNotMisledByWhatFollowsTheHeader) {
    std::u32string text;
    for (const char c : std::string(128, 'h') + "\r\n") {
        text += static_cast<char32_t>(c);
    }
    for (int i = 0; i < 3000; ++i) {
        text += i % 3 == 0 ? U'\U0001F600' : U'\u4E00';
    }
    for (const bool big_endian : {false, true}) {
        const auto want = big_endian ? Encoding::utf16be : Encoding::utf16le;
        for (const unsigned piece : {1U, 3U, 5000U}) {
            const auto found = sniff(utf16(text, big_endian), piece);
            EXPECT_EQ(found.encoding, want);
            EXPECT_FALSE(found.has_nul || found.ends_inside_pair);
        }
        const auto cut = utf16(text + U'\U0001F600', big_endian);
        for (const unsigned piece : {1U, 3U, 5000U}) {
            EXPECT_TRUE(sniff(cut.substr(0, cut.size() - 2), piece).ends_inside_pair);
        }
    }
}

TEST(Sniffer, TakesTheNamedUtf16WhereTheBytesLeaveItOpen) {
    const std::string open = utf16(U"\u4E00a\u4E00b\u4E00c\u4E00d", true);
    EXPECT_TRUE(sniff(open).has_nul);
    for (const auto asked : {Encoding::utf16le, Encoding::utf16be}) {
        EXPECT_EQ(sniff(open, 3, asked).encoding, asked);
        EXPECT_FALSE(sniff(open, 3, asked).has_nul);
    }
    EXPECT_EQ(sniff("a,b", 3, Encoding::utf16le).encoding, Encoding::utf8);
    EXPECT_EQ(sniff(utf16(U"a,b", true), 3, Encoding::utf16le).encoding, Encoding::utf16be);
    EXPECT_EQ(sniff("\xEF\xBB\xBF" + open, 3, Encoding::utf16le).encoding, Encoding::utf8);
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
    for (const char* bad :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80",
          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "abcdefgh\xFF"}) {
        EXPECT_FALSE(utf8_valid(bad)) << bad;
    }
    std::string shown;
    printable_prefix("a\xFF\xC3\xA9\xE2\x82", 256, shown);
    EXPECT_EQ(shown, "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    EXPECT_EQ(printable_prefix("\xC3\xA9\xC3\xA9\xC3\xA9", 2, shown), 4U);
    EXPECT_EQ(shown, "\xC3\xA9\xC3\xA9");
    EXPECT_EQ(printable_name("a\xFF"), "a\xEF\xBF\xBD");
    EXPECT_EQ(printable_name(std::string(64, 'x')), std::string(64, 'x'));
    EXPECT_EQ(printable_name(std::string(65, 'x')), std::string(64, 'x') + "…");
}

}  // namespace
}  // namespace rh::csv
