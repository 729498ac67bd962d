// Which encoding a statement has, and UTF-8 out of any: glibc's iconv and nothing of csv/, so that
// an error of the ingest path's transcoder cannot hide in both. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::reconcile {

enum class Charset : uint8_t { utf8, utf16le, utf16be, windows1252 };

// "utf-8", "utf-16le", "utf-16be", "windows-1252"; parse takes any case and the usual aliases.
std::string_view name(Charset charset);
std::optional<Charset> parse_charset(std::string_view text);

// Sees a whole file once, in pieces of any size. A BOM decides; else on which side of the first
// units, which are the header, the zero bytes of ASCII stand; else UTF-8, unless more bytes are
// outside of valid UTF-8 than there are sequences of 2 to 4 bytes inside of it.
class CharsetDetector {
  public:
    void feed(std::string_view bytes);
    Charset decide() const;
    // The encoding to read the file in: what was asked for unless the bytes contradict it, else
    // what was detected. Errors (invalid_content): binary_file, wrong_encoding,
    // truncated_encoding, as for an upload.
    Result<Charset> judge(std::optional<Charset> asked) const;
    // Bytes so far that are outside of valid UTF-8; the beginning of a sequence counts as such.
    uint64_t invalid_bytes() const { return invalid_ + (needed_ != 0 ? pending_ : 0); }

  private:
    std::optional<Charset> by_bom() const;
    std::optional<Charset> by_zeros() const;
    bool ends_inside_pair(Charset charset) const;

    std::string head_;
    uint64_t bytes_ = 0, zeros_ = 0;
    uint64_t zero_units_ = 0;   // two zero bytes where a unit of UTF-16 stands
    uint8_t last_[2] = {1, 1};  // the last two bytes, the last one second
    uint64_t sequences_ = 0, invalid_ = 0;
    uint32_t pending_ = 0, needed_ = 0;  // of the sequence that is open: bytes seen, bytes in all
    uint8_t low_ = 0x80, high_ = 0xBF;   // what its next byte may be
};

bool is_valid_utf8(std::string_view text);

// Bytes → UTF-8 without BOM. What cannot be decoded becomes the byte 0xFF, one for each unit of the
// encoding, and the rest goes on: line numbers stay right. UTF-8 passes unjudged; the engine's SQL
// looks at it.
class Decoder {
  public:
    static Result<Decoder> open(Charset charset);
    Decoder(Decoder&& other) noexcept;
    Decoder& operator=(Decoder&&) = delete;
    ~Decoder();

    // Valid until the next call; may point into `bytes`.
    Result<std::string_view> feed(std::string_view bytes);
    // What the end of the file leaves: 0xFF if it ends inside a character of two or more bytes.
    std::string_view finish();

  private:
    Decoder(Charset charset, void* handle) : charset_(charset), handle_(handle) {}
    std::string_view without_bom(std::string_view text);

    Charset charset_;
    void* handle_;      // iconv_t; null: nothing to convert
    std::string rest_;  // the beginning of a character whose end has not come yet
    std::string out_;
    bool begun_ = false;
};

}  // namespace rh::reconcile
