#include "csv/utf8.h"

#include "csv/swar.h"

namespace rh::csv {
namespace {

bool continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Bytes at the front of `p` that are ASCII for certain, in steps of 8.
size_t ascii_words(const char* p, size_t n) {
    size_t i = 0;
    while (i + 8 <= n && (load8(p + i) & kHighBits) == 0) {
        i += 8;
    }
    return i;
}

}  // namespace

size_t utf8_sequence(const char* p, size_t n) {
    const auto lead = static_cast<uint8_t>(p[0]);
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n < size) {
        return 0;
    }
    for (size_t i = 1; i < size; ++i) {
        if (!continuation(p[i])) {
            return 0;
        }
    }
    const auto second = static_cast<uint8_t>(p[1]);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second > 0x9F;
    const bool beyond = lead == 0xF4 && second > 0x8F;
    return overlong || surrogate || beyond ? 0 : size;
}

bool utf8_valid(std::string_view text) {
    const char* p = text.data();
    const size_t n = text.size();
    for (size_t i = ascii_words(p, n); i < n;) {
        const size_t size = utf8_sequence(p + i, n - i);
        if (size == 0) {
            return false;
        }
        i += size;
        if (size == 1) {
            i += ascii_words(p + i, n - i);
        }
    }
    return true;
}

size_t utf8_characters(std::string_view text) {
    size_t count = 0;
    for (const char c : text) {
        count += continuation(c) ? 0 : 1;
    }
    return count;
}

bool has_control_character(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<uint8_t>(text[i]);
        if (c < 0x20 || c == 0x7F) {
            return true;
        }
        // U+0080..U+009F are C2 80 .. C2 9F.
        if (c == 0xC2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xA0) {
            return true;
        }
    }
    return false;
}

size_t printable_prefix(std::string_view bytes, size_t characters_max, std::string& out) {
    const char* p = bytes.data();
    const size_t n = bytes.size();
    size_t i = ascii_words(p, n < characters_max ? n : characters_max);
    out.assign(p, i);
    for (size_t characters = i; i < n && characters < characters_max; ++characters) {
        const size_t size = utf8_sequence(p + i, n - i);
        if (size == 0) {
            out.append("\xEF\xBF\xBD");
            i += 1;
        } else {
            out.append(p + i, size);
            i += size;
        }
    }
    return i;
}

std::string printable_name(std::string_view name) {
    constexpr size_t kCharactersMax = 64;
    std::string shown;
    const bool cut = printable_prefix(name, kCharactersMax, shown) < name.size();
    return cut ? shown + "…" : shown;
}

}  // namespace rh::csv
