#include <array>
#include <bit>
#include <cstring>

#include <emmintrin.h>

#include "csv/encoding.h"

namespace rh::csv {
namespace {

constexpr std::string_view kUtf8Bom = "\xEF\xBB\xBF";
constexpr uint16_t kBomUnit = 0xFEFF;
constexpr char kUndecodable = '\xFF';

// 0x80..0x9F of Windows-1252; 0: undefined. From 0xA0 on it is Latin-1.
constexpr std::array<uint16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

char* put_character(char* out, uint32_t c) {
    const auto byte = [](uint32_t value) { return static_cast<char>(value); };
    if (c < 0x80) {
        *out++ = byte(c);
    } else if (c < 0x800) {
        *out++ = byte(0xC0 | c >> 6);
        *out++ = byte(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = byte(0xE0 | c >> 12);
        *out++ = byte(0x80 | (c >> 6 & 0x3F));
        *out++ = byte(0x80 | (c & 0x3F));
    } else {
        *out++ = byte(0xF0 | c >> 18);
        *out++ = byte(0x80 | (c >> 12 & 0x3F));
        *out++ = byte(0x80 | (c >> 6 & 0x3F));
        *out++ = byte(0x80 | (c & 0x3F));
    }
    return out;
}

constexpr size_t kStep = 16;
constexpr uint32_t kWholeStep = 0xFFFF;

// Units at the front of `p` that are ASCII, written to `out`, where more is overwritten. Fewer than
// kStep at the end are left.
template <bool BigEndian>
size_t ascii_units(const char* p, size_t units, char* out) {
    // Of a unit as it is loaded, which has the first byte in its lower half.
    const __m128i beyond_ascii = _mm_set1_epi16(static_cast<int16_t>(BigEndian ? 0x80FF : 0xFF80));
    const __m128i zero = _mm_setzero_si128();
    const auto ascii_of = [](__m128i unit) { return BigEndian ? _mm_srli_epi16(unit, 8) : unit; };
    size_t i = 0;
    for (; i + kStep <= units; i += kStep) {
        const auto* const at = reinterpret_cast<const __m128i*>(p + 2 * i);
        const __m128i first = _mm_loadu_si128(at);
        const __m128i second = _mm_loadu_si128(at + 1);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                         _mm_packus_epi16(ascii_of(first), ascii_of(second)));
        const auto plain = static_cast<uint32_t>(_mm_movemask_epi8(
            _mm_packs_epi16(_mm_cmpeq_epi16(_mm_and_si128(first, beyond_ascii), zero),
                            _mm_cmpeq_epi16(_mm_and_si128(second, beyond_ascii), zero))));
        if (plain != kWholeStep) {
            return i + static_cast<size_t>(__builtin_ctz(~plain));
        }
    }
    return i;
}

// The same for bytes.
size_t ascii_bytes(const char* p, size_t n, char* out) {
    size_t i = 0;
    for (; i + kStep <= n; i += kStep) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), bytes);
        if (const int beyond = _mm_movemask_epi8(bytes); beyond != 0) {
            return i + static_cast<size_t>(__builtin_ctz(static_cast<uint32_t>(beyond)));
        }
    }
    return i;
}

}  // namespace

Transcoder::Transcoder(Encoding encoding) : encoding_(encoding) {}

std::string_view Transcoder::feed(std::string_view bytes) {
    switch (encoding_) {
        case Encoding::utf8:
            return feed_utf8(bytes);
        case Encoding::utf16le:
        case Encoding::utf16be:
            return feed_utf16(bytes);
        case Encoding::windows1252:
            return feed_windows1252(bytes);
    }
    return {};
}

std::string_view Transcoder::feed_utf8(std::string_view bytes) {
    if (!at_start_) {
        return bytes;
    }
    if (held_.empty() && bytes.starts_with(kUtf8Bom)) {
        at_start_ = false;
        return bytes.substr(kUtf8Bom.size());
    }
    if (held_.empty() && !bytes.empty() && bytes[0] != kUtf8Bom[0]) {
        at_start_ = false;
        return bytes;
    }
    held_.append(bytes);
    if (held_.size() < kUtf8Bom.size() && kUtf8Bom.starts_with(held_)) {
        return {};
    }
    at_start_ = false;
    const size_t skipped = held_.starts_with(kUtf8Bom) ? kUtf8Bom.size() : 0;
    out_.assign(held_.begin() + static_cast<std::ptrdiff_t>(skipped), held_.end());
    held_.clear();
    return {out_.data(), out_.size()};
}

// Writes what `unit` completes: a character, a lone surrogate, or nothing yet. At most 4 bytes.
char* Transcoder::put_unit(char* out, uint16_t unit) {
    if (at_start_) {
        at_start_ = false;
        if (unit == kBomUnit) {
            return out;
        }
    }
    const bool low = (unit & 0xFC00) == 0xDC00;
    if (high_surrogate_ != 0) {
        const uint32_t high = std::exchange(high_surrogate_, uint16_t{0});
        if (low) {
            return put_character(out, 0x10000 + ((high & 0x3FF) << 10) + (unit & 0x3FFU));
        }
        *out++ = kUndecodable;
    }
    if ((unit & 0xFC00) == 0xD800) {
        high_surrogate_ = unit;
        return out;
    }
    if (low) {
        *out++ = kUndecodable;
        return out;
    }
    return put_character(out, unit);
}

std::string_view Transcoder::feed_utf16(std::string_view bytes) {
    const bool big_endian = encoding_ == Encoding::utf16be;
    const auto unit_at = [big_endian](const char* p) {
        uint16_t unit = 0;
        std::memcpy(&unit, p, 2);
        return big_endian ? std::byteswap(unit) : unit;
    };
    // 3 bytes a unit; a lone surrogate of the piece before and half a unit may come on top, and
    // what ascii_units() overwrites.
    if (out_.size() < bytes.size() / 2 * 3 + 2 * kStep) {
        out_.resize(bytes.size() / 2 * 3 + 2 * kStep);
    }
    char* out = out_.data();
    if (!held_.empty() && !bytes.empty()) {
        const char whole[2] = {held_[0], bytes[0]};
        held_.clear();
        bytes.remove_prefix(1);
        out = put_unit(out, unit_at(whole));
    }
    const char* p = bytes.data();
    const size_t units = bytes.size() / 2;
    for (size_t i = 0; i < units;) {
        if (high_surrogate_ == 0 && !at_start_) {
            const size_t plain = big_endian ? ascii_units<true>(p + 2 * i, units - i, out)
                                            : ascii_units<false>(p + 2 * i, units - i, out);
            out += plain;
            i += plain;
        }
        for (; i < units; ++i) {
            const uint16_t unit = unit_at(p + 2 * i);
            const bool plain = unit < 0x80 && high_surrogate_ == 0 && !at_start_;
            if (plain && i + kStep <= units) {
                break;
            }
            out = put_unit(out, unit);
        }
    }
    if (bytes.size() % 2 != 0) {
        held_.assign(1, bytes.back());
    }
    return {out_.data(), static_cast<size_t>(out - out_.data())};
}

std::string_view Transcoder::feed_windows1252(std::string_view bytes) {
    if (out_.size() < bytes.size() * 3 + kStep) {
        out_.resize(bytes.size() * 3 + kStep);
    }
    char* out = out_.data();
    const char* p = bytes.data();
    const size_t n = bytes.size();
    for (size_t i = 0; i < n;) {
        const size_t plain = ascii_bytes(p + i, n - i, out);
        out += plain;
        i += plain;
        for (; i < n; ++i) {
            const auto byte = static_cast<uint8_t>(p[i]);
            if (byte < 0x80 && i + kStep <= n) {
                break;
            }
            const bool table = byte >= 0x80 && byte < 0xA0;
            const uint16_t character = table ? kWindows1252[byte - 0x80U] : byte;
            if (table && character == 0) {
                *out++ = kUndecodable;
            } else {
                out = put_character(out, character);
            }
        }
    }
    return {out_.data(), static_cast<size_t>(out - out_.data())};
}

Result<std::string_view> Transcoder::finish() {
    if (encoding_ == Encoding::utf8) {
        out_.assign(held_.begin(), held_.end());
        held_.clear();
        at_start_ = false;
        return std::string_view(out_.data(), out_.size());
    }
    if (!held_.empty() || high_surrogate_ != 0) {
        return fail(ErrorKind::invalid_content, "truncated_encoding",
                    "The file ends in the middle of a UTF-16 character, so it was cut. Send it "
                    "again.");
    }
    return std::string_view();
}

}  // namespace rh::csv
