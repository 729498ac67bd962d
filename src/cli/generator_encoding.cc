// The generator's text in the encodings that real files have.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "cli/generator.h"

namespace rh::cli {
namespace {

constexpr char32_t kUndecodable = 0xFFFFFFFF;

// The next character of valid UTF-8, or kUndecodable for the byte 0xFF.
char32_t take_character(std::string_view& text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const size_t length = first < 0x80    ? 1
                          : first == 0xFF ? 1
                          : first < 0xE0  ? 2
                          : first < 0xF0  ? 3
                                          : 4;
    RH_ASSERT(length <= text.size());
    char32_t character = first < 0x80    ? first
                         : first == 0xFF ? kUndecodable
                         : length == 2   ? first & 0x1FU
                         : length == 3   ? first & 0x0FU
                                         : first & 0x07U;
    for (size_t i = 1; i < length; ++i) {
        character = (character << 6) | (byte(i) & 0x3FU);
    }
    text.remove_prefix(length);
    return character;
}

size_t ascii_prefix(std::string_view text) {
    size_t at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, 8);
        if ((bytes & 0x8080808080808080ULL) != 0) {
            break;
        }
    }
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
        ++at;
    }
    return at;
}

template <bool kBigEndian>
void append_unit(std::string& out, uint32_t unit) {
    const auto high = static_cast<char>(unit >> 8);
    const auto low = static_cast<char>(unit & 0xFF);
    out += kBigEndian ? high : low;
    out += kBigEndian ? low : high;
}

template <bool kBigEndian>
void append_utf16(std::string_view text, std::string& out) {
    out.reserve(out.size() + text.size() * 2);
    while (!text.empty()) {
        const size_t ascii = ascii_prefix(text);
        const size_t at = out.size();
        out.resize(at + ascii * 2);
        for (size_t i = 0; i < ascii; ++i) {  // the zero halves are there from resize
            out[at + i * 2 + (kBigEndian ? 1 : 0)] = text[i];
        }
        text.remove_prefix(ascii);
        if (text.empty()) {
            return;
        }
        const char32_t character = take_character(text);
        if (character == kUndecodable) {
            append_unit<kBigEndian>(out, 0xD800);
        } else if (character > 0xFFFF) {
            append_unit<kBigEndian>(out, 0xD800 + ((character - 0x10000) >> 10));
            append_unit<kBigEndian>(out, 0xDC00 + ((character - 0x10000) & 0x3FF));
        } else {
            append_unit<kBigEndian>(out, character);
        }
    }
}

void append_windows1252(std::string_view text, std::string& out) {
    while (!text.empty()) {
        const size_t ascii = ascii_prefix(text);
        out += text.substr(0, ascii);
        text.remove_prefix(ascii);
        if (text.empty()) {
            return;
        }
        const char32_t character = take_character(text);
        constexpr char32_t kEuro = 0x20AC;
        // The generator's other characters are those that Latin-1 has at the same place.
        RH_ASSERT(character == kUndecodable || character == kEuro || character < 0x100);
        out += static_cast<char>(character == kUndecodable ? 0x81
                                 : character == kEuro      ? 0x80
                                                           : character);
    }
}

constexpr std::array<std::string_view, 7> kNames = {
    "utf-8", "utf-8-bom", "utf-16le", "utf-16be", "utf-16le-bom", "utf-16be-bom", "windows-1252"};

}  // namespace

std::optional<OutputEncoding> parse_output_encoding(std::string_view text) {
    const auto* const found = std::ranges::find(kNames, text);
    if (found == kNames.end()) {
        return std::nullopt;
    }
    return static_cast<OutputEncoding>(found - kNames.begin());
}

std::string_view byte_order_mark(OutputEncoding encoding) {
    switch (encoding) {
        case OutputEncoding::utf8_bom:
            return "\xEF\xBB\xBF";
        case OutputEncoding::utf16le_bom:
            return "\xFF\xFE";
        case OutputEncoding::utf16be_bom:
            return "\xFE\xFF";
        case OutputEncoding::utf8:
        case OutputEncoding::utf16le:
        case OutputEncoding::utf16be:
        case OutputEncoding::windows1252:
            return "";
    }
    return "";
}

void encode(std::string_view utf8, OutputEncoding encoding, std::string& out) {
    switch (encoding) {
        case OutputEncoding::utf8:
        case OutputEncoding::utf8_bom:
            out += utf8;
            return;
        case OutputEncoding::utf16le:
        case OutputEncoding::utf16le_bom:
            append_utf16<false>(utf8, out);
            return;
        case OutputEncoding::utf16be:
        case OutputEncoding::utf16be_bom:
            append_utf16<true>(utf8, out);
            return;
        case OutputEncoding::windows1252:
            append_windows1252(utf8, out);
            return;
    }
}

}  // namespace rh::cli
