#include "reconcile/charset.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <iconv.h>

#include "base/assert.h"

namespace rh::reconcile {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

// The header is ASCII, so that in UTF-16 each of its units has a zero byte. What follows it may be
// full of other characters with a zero byte on either side, so only the beginning is asked.
constexpr size_t kHeadBytes = 256;
constexpr size_t kAsciiShare = 4;
constexpr std::string_view kCompressed[] = {"\x1f\x8b", "\x28\xb5\x2f\xfd"};
constexpr std::string_view kZip = "PK\x03\x04";

struct Name {
    std::string_view text;
    Charset charset;
};
constexpr std::array kNames = {
    Name{"utf-8", Charset::utf8},
    Name{"utf8", Charset::utf8},
    Name{"utf-16le", Charset::utf16le},
    Name{"utf-16-le", Charset::utf16le},
    Name{"utf16le", Charset::utf16le},
    Name{"utf-16be", Charset::utf16be},
    Name{"utf-16-be", Charset::utf16be},
    Name{"utf16be", Charset::utf16be},
    Name{"windows-1252", Charset::windows1252},
    Name{"cp1252", Charset::windows1252},
};

const char* iconv_name(Charset charset) {
    switch (charset) {
        case Charset::utf8:
            return "UTF-8";
        case Charset::utf16le:
            return "UTF-16LE";
        case Charset::utf16be:
            return "UTF-16BE";
        case Charset::windows1252:
            return "CP1252";
    }
    return "";
}

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.starts_with(prefix);
}

bool is_utf16(Charset charset) {
    return charset == Charset::utf16le || charset == Charset::utf16be;
}

// Text whose units have `Unit` bytes, of which number `Low` is the one that ASCII uses.
template <size_t Unit, size_t Low>
struct Units {
    static bool is_ascii(const char* unit) {
        return static_cast<uint8_t>(unit[Low]) < 0x80 && (Unit == 1 || unit[1 - Low] == 0);
    }
    // Moves `in` and `out` behind the ASCII that `in` begins with; sixteen units at once.
    static void copy_ascii(const char*& in, const char* end, char*& out) {
        constexpr size_t kBlock = 16;
        while (static_cast<size_t>(end - in) >= kBlock * Unit) {
            uint8_t other = 0;
            for (size_t i = 0; i < kBlock * Unit; ++i) {
                other |= static_cast<uint8_t>(static_cast<uint8_t>(in[i]) &
                                              (i % Unit == Low ? 0x80 : 0xFF));
            }
            if (other != 0) {
                break;
            }
            for (size_t i = 0; i < kBlock; ++i) {
                out[i] = in[i * Unit + Low];
            }
            in += kBlock * Unit;
            out += kBlock;
        }
        while (static_cast<size_t>(end - in) >= Unit && is_ascii(in)) {
            *out++ = in[Low];
            in += Unit;
        }
    }
    // Where the whole units that are none end.
    static const char* end_of_others(const char* in, const char* end) {
        while (static_cast<size_t>(end - in) >= Unit && !is_ascii(in)) {
            in += Unit;
        }
        return in;
    }
    // To UTF-8, 0xFF for each unit that is wrong; returns where it stopped: at the end, or at a
    // character that may go on behind it. iconv, which takes a step more for each character and a
    // long way for each call, gets what is not ASCII.
    static const char* convert(iconv_t handle, const char* in, const char* end, char*& out) {
        while (true) {
            copy_ascii(in, end, out);
            const char* const others = end_of_others(in, end);
            if (others == in) {
                return in;
            }
            const bool is_last = static_cast<size_t>(end - others) < Unit;
            while (in < others) {
                char* from = const_cast<char*>(in);  // iconv only reads it
                auto left = static_cast<size_t>(others - in);
                size_t room = 3 * left;  // no unit becomes more than 3 bytes of UTF-8
                const size_t failed = ::iconv(handle, &from, &left, &out, &room);
                in = from;
                if (failed != static_cast<size_t>(-1)) {
                    continue;
                }
                RH_ASSERT(errno == EILSEQ || errno == EINVAL);
                if (errno == EINVAL && is_last) {
                    return in;
                }
                *out++ = '\xFF';
                in += Unit;
            }
        }
    }
};

}  // namespace

std::string_view name(Charset charset) {
    switch (charset) {
        case Charset::utf8:
            return "utf-8";
        case Charset::utf16le:
            return "utf-16le";
        case Charset::utf16be:
            return "utf-16be";
        case Charset::windows1252:
            return "windows-1252";
    }
    return "";
}

std::optional<Charset> parse_charset(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        } else if (c == '_') {
            c = '-';
        }
    }
    for (const Name& known : kNames) {
        if (known.text == lower) {
            return known.charset;
        }
    }
    return std::nullopt;
}

void CharsetDetector::feed(std::string_view bytes) {
    if (head_.size() < kHeadBytes) {
        head_.append(bytes.substr(0, kHeadBytes - head_.size()));
    }
    for (const char c : bytes) {
        const auto byte = static_cast<uint8_t>(c);
        if (byte == 0) {
            ++zeros_;
            zero_units_ += (bytes_ & 1) == 1 && last_[1] == 0 ? 1 : 0;
        }
        last_[0] = last_[1];
        last_[1] = byte;
        ++bytes_;
        if (needed_ != 0) {
            if (byte >= low_ && byte <= high_) {
                low_ = 0x80;
                high_ = 0xBF;
                if (++pending_ == needed_) {
                    ++sequences_;
                    needed_ = 0;
                }
                continue;
            }
            invalid_ += pending_;
            needed_ = 0;
        }
        low_ = 0x80;
        high_ = 0xBF;
        pending_ = 1;
        if (byte < 0x80) {
            continue;
        }
        if (byte >= 0xC2 && byte <= 0xDF) {
            needed_ = 2;
        } else if (byte >= 0xE0 && byte <= 0xEF) {
            needed_ = 3;
            low_ = byte == 0xE0 ? 0xA0 : low_;    // no overlong forms
            high_ = byte == 0xED ? 0x9F : high_;  // no surrogates
        } else if (byte >= 0xF0 && byte <= 0xF4) {
            needed_ = 4;
            low_ = byte == 0xF0 ? 0x90 : low_;
            high_ = byte == 0xF4 ? 0x8F : high_;  // nothing above U+10FFFF
        } else {
            ++invalid_;
        }
    }
}

std::optional<Charset> CharsetDetector::by_bom() const {
    using namespace std::string_view_literals;
    return starts_with(head_, kBom)           ? std::optional(Charset::utf8)
           : starts_with(head_, "\xFF\xFE"sv) ? std::optional(Charset::utf16le)
           : starts_with(head_, "\xFE\xFF"sv) ? std::optional(Charset::utf16be)
                                              : std::nullopt;
}

std::optional<Charset> CharsetDetector::by_zeros() const {
    const size_t units = head_.size() / 2;
    size_t ascii_le = 0;
    size_t ascii_be = 0;
    for (size_t i = 0; i < units; ++i) {
        const auto even = static_cast<uint8_t>(head_[2 * i]);
        const auto odd = static_cast<uint8_t>(head_[2 * i + 1]);
        ascii_le += odd == 0 && even != 0 && even < 0x80 ? 1 : 0;
        ascii_be += even == 0 && odd != 0 && odd < 0x80 ? 1 : 0;
    }
    if (ascii_le > units / kAsciiShare && ascii_le > ascii_be) {
        return Charset::utf16le;
    }
    return ascii_be > units / kAsciiShare && ascii_be > ascii_le ? std::optional(Charset::utf16be)
                                                                 : std::nullopt;
}

Charset CharsetDetector::decide() const {
    if (const auto charset = by_bom()) {
        return *charset;
    }
    if (const auto charset = by_zeros()) {
        return *charset;
    }
    return invalid_bytes() > sequences_ ? Charset::windows1252 : Charset::utf8;
}

bool CharsetDetector::ends_inside_pair(Charset charset) const {
    const uint8_t high = last_[charset == Charset::utf16be ? 0 : 1];
    return bytes_ >= 2 && high >= 0xD8 && high < 0xDC;
}

Result<Charset> CharsetDetector::judge(std::optional<Charset> asked) const {
    if (head_.starts_with(kZip)) {
        return fail(
            ErrorKind::invalid_content, "binary_file",
            "The file is a ZIP archive, as Excel workbooks are. Send the CSV file that is in "
            "it, or save the workbook as CSV.");
    }
    if (std::ranges::any_of(kCompressed, [this](auto magic) { return head_.starts_with(magic); })) {
        return fail(ErrorKind::invalid_content, "binary_file",
                    "The file is compressed. Send it with Content-Encoding: gzip or zstd, or "
                    "unpack it first.");
    }
    const bool certain = by_bom() || by_zeros();
    const Charset detected =
        !certain && asked && is_utf16(*asked) && zeros_ > 0 ? *asked : decide();
    if ((is_utf16(detected) ? zero_units_ : zeros_) > 0) {
        return fail(ErrorKind::invalid_content, "binary_file",
                    "The file has zero bytes that no text encoding explains, so it is not a CSV "
                    "file. Send the CSV export itself, and name its encoding if it is UTF-16.");
    }
    const Charset charset = asked.value_or(detected);
    if (charset != detected && (by_bom() || is_utf16(charset) || is_utf16(detected))) {
        return fail(
            ErrorKind::invalid_content, "wrong_encoding",
            fmt::format("The request says {}, but the file is {}{}. Leave the encoding "
                        "out, or name the right one.",
                        name(charset), name(detected), by_bom() ? " by its byte order mark" : ""));
    }
    if (is_utf16(charset) && bytes_ % 2 != 0) {
        return fail(ErrorKind::invalid_content, "truncated_encoding",
                    fmt::format("The file is {} and has an odd number of bytes ({}), so it was cut "
                                "in the middle of a character. Send all of it.",
                                name(charset), bytes_));
    }
    if (is_utf16(charset) && ends_inside_pair(charset)) {
        return fail(ErrorKind::invalid_content, "truncated_encoding",
                    fmt::format("The file is {} and ends with the first half of a character, so it "
                                "was cut there. Send all of it.",
                                name(charset)));
    }
    return charset;
}

bool is_valid_utf8(std::string_view text) {
    CharsetDetector detector;
    detector.feed(text);
    return detector.invalid_bytes() == 0;
}

Result<Decoder> Decoder::open(Charset charset) {
    if (charset == Charset::utf8) {
        return Decoder(charset, nullptr);
    }
    iconv_t handle = ::iconv_open("UTF-8", iconv_name(charset));
    // iconv_open says (iconv_t)-1 on failure.
    if (handle == reinterpret_cast<iconv_t>(-1)) {  // NOLINT(performance-no-int-to-ptr)
        return fail(ErrorKind::internal, "charset_not_available",
                    "The C library cannot convert " + std::string(name(charset)) +
                        ": its gconv modules are missing (Debian package libc6).");
    }
    return Decoder(charset, handle);
}

Decoder::Decoder(Decoder&& other) noexcept
    : charset_(other.charset_),
      handle_(std::exchange(other.handle_, nullptr)),
      rest_(std::move(other.rest_)),
      out_(std::move(other.out_)),
      begun_(other.begun_) {}

Decoder::~Decoder() {
    if (handle_ != nullptr) {
        ::iconv_close(handle_);
    }
}

std::string_view Decoder::without_bom(std::string_view text) {
    if (begun_ || text.empty()) {
        return text;
    }
    begun_ = true;
    if (starts_with(text, kBom)) {
        text.remove_prefix(kBom.size());
    }
    return text;
}

Result<std::string_view> Decoder::feed(std::string_view bytes) {
    if (handle_ == nullptr) {
        // The BOM may be cut by the pieces: hold back a beginning that could still become one.
        if (!begun_) {
            rest_.append(bytes);
            if (rest_.size() < kBom.size() && kBom.starts_with(rest_)) {
                return std::string_view();
            }
            out_ = std::exchange(rest_, {});
            return without_bom(out_);
        }
        return bytes;
    }
    rest_.append(bytes);
    out_.resize(rest_.size() * 3);
    const auto convert = charset_ == Charset::utf16le   ? Units<2, 0>::convert
                         : charset_ == Charset::utf16be ? Units<2, 1>::convert
                                                        : Units<1, 0>::convert;
    char* out = out_.data();
    const char* const in = rest_.data();
    const char* const stopped = convert(handle_, in, in + rest_.size(), out);
    rest_.erase(0, static_cast<size_t>(stopped - in));
    return without_bom(std::string_view(out_.data(), out));
}

std::string_view Decoder::finish() {
    if (rest_.empty()) {
        return {};
    }
    out_ = handle_ == nullptr ? std::exchange(rest_, {}) : std::string("\xFF");
    rest_.clear();
    return out_;
}

}  // namespace rh::reconcile
