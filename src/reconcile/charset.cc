#include "reconcile/charset.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <iconv.h>

#include "base/assert.h"

namespace rh::reconcile {
namespace {

constexpr size_t kHeadBytes = 4;
constexpr std::string_view kBom = "\xEF\xBB\xBF";

// A text of ASCII columns has a zero in every second byte in UTF-16; a few are enough to tell, and
// a stray zero in a file of another encoding is not.
constexpr uint64_t kZeroShare = 4;

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
            ++((bytes_ & 1) == 0 ? zeros_even_ : zeros_odd_);
        }
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

Charset CharsetDetector::decide() const {
    using namespace std::string_view_literals;
    if (starts_with(head_, kBom)) {
        return Charset::utf8;
    }
    if (starts_with(head_, "\xFF\xFE"sv)) {
        return Charset::utf16le;
    }
    if (starts_with(head_, "\xFE\xFF"sv)) {
        return Charset::utf16be;
    }
    const uint64_t pairs = bytes_ / 2;
    if (pairs > 0 && zeros_odd_ > pairs / kZeroShare && zeros_odd_ > zeros_even_) {
        return Charset::utf16le;
    }
    if (pairs > 0 && zeros_even_ > pairs / kZeroShare && zeros_even_ > zeros_odd_) {
        return Charset::utf16be;
    }
    return invalid_bytes() > sequences_ ? Charset::windows1252 : Charset::utf8;
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
