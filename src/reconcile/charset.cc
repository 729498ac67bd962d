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
    const size_t unit = charset_ == Charset::windows1252 ? 1 : 2;
    rest_.append(bytes);
    out_.resize(rest_.size() * 3 + 4);  // no unit becomes more than 3 bytes of UTF-8
    char* in = rest_.data();
    size_t left = rest_.size();
    char* out = out_.data();
    size_t room = out_.size();
    while (left > 0 && ::iconv(handle_, &in, &left, &out, &room) == static_cast<size_t>(-1)) {
        if (errno == EINVAL || left < unit) {
            break;  // a character whose end comes with the next piece
        }
        RH_ASSERT(errno == EILSEQ);
        *out++ = '\xFF';
        --room;
        in += unit;
        left -= unit;
    }
    const auto written = static_cast<size_t>(out - out_.data());
    rest_.erase(0, rest_.size() - left);
    return without_bom(std::string_view(out_).substr(0, written));
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
