// Which encoding a file has, and UTF-8 out of each. Pure, streaming, one thread.
// A BOM decides; else on which side the units at the beginning that are ASCII have their zero byte
// (UTF-16 LE or BE); else UTF-16 that the sender named, if there are zero bytes; else UTF-8, unless
// invalid bytes outnumber valid multi-byte sequences in the whole file (then Windows-1252).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rh::csv {

enum class Encoding : uint8_t { utf8, utf16le, utf16be, windows1252 };

// "utf-8", "utf-16le", "utf-16be", "windows-1252": the words of the API.
std::string_view name(Encoding encoding);
// Accepts those, any case, and usual aliases (utf8, utf-16-le, cp1252, latin1 is NOT one).
std::optional<Encoding> parse_encoding(std::string_view text);

// Sees the whole file once, in pieces of any size; the verdict does not depend on the cuts.
class EncodingSniffer {
  public:
    // `asked`: what the sender says, which decides where the bytes leave it open.
    explicit EncodingSniffer(std::optional<Encoding> asked = std::nullopt) : asked_(asked) {}
    void feed(std::string_view bytes);
    struct Verdict {
        Encoding encoding = Encoding::utf8;
        bool bom = false;
        // Of a file that is no UTF-16: bytes outside any valid UTF-8 sequence, and valid sequences
        // of 2 to 4 bytes.
        uint64_t invalid_bytes = 0;
        uint64_t multi_byte_sequences = 0;
        bool has_nul = false;  // zero bytes that no UTF-16 explains (in UTF-16: U+0000): binary
        bool ends_inside_pair = false;  // of UTF-16: the last unit is a high surrogate
    };
    Verdict decide() const;

  private:
    struct Kind {
        Encoding encoding = Encoding::utf8;
        bool bom = false;
    };
    Kind kind_of(std::string_view head) const;
    void count(std::string_view bytes);
    void count_utf16(std::string_view bytes);
    void count_utf8(std::string_view bytes);

    std::optional<Encoding> asked_;
    std::string head_;          // the first bytes, until they decide about UTF-16
    std::optional<Kind> kind_;  // once they have
    std::string pending_;       // half a unit of UTF-16, or a sequence of UTF-8 not yet complete
    uint64_t invalid_bytes_ = 0;
    uint64_t multi_byte_sequences_ = 0;
    bool has_nul_ = false;
    std::array<uint8_t, 2> last_unit_{};  // of UTF-16, as it stands in the file
};

// Bytes in `encoding` → UTF-8 without BOM, piece by piece. What cannot be decoded (a lone
// surrogate, an undefined Windows-1252 byte) becomes the byte 0xFF, which is never valid UTF-8: the
// reader then refuses that row as invalid_encoding. For UTF-8 input nothing is copied but the BOM
// is skipped. Its memory grows with the largest piece (to 3/2 of it for UTF-16, 3 times for
// Windows-1252).
class Transcoder {
  public:
    explicit Transcoder(Encoding encoding);
    // The result is valid until the next call, and may point into `bytes`.
    std::string_view feed(std::string_view bytes);
    // Error invalid_content truncated_encoding: half a UTF-16 unit or pair is left: the file was
    // cut.
    Result<std::string_view> finish();

  private:
    std::string_view feed_utf8(std::string_view bytes);
    std::string_view feed_utf16(std::string_view bytes);
    std::string_view feed_windows1252(std::string_view bytes);
    char* put_unit(char* out, uint16_t unit);

    Encoding encoding_;
    bool at_start_ = true;         // a BOM may still come
    std::string held_;             // bytes that may be the beginning of a BOM, or half a unit
    uint16_t high_surrogate_ = 0;  // waits for its low one; 0: none
    std::vector<char> out_;
};

// The delimiter of a header line: the one of , ; tab | that makes the ten column names appear, or
// most of them (at least two, so that a header that lacks one can be explained); nullopt if none
// does. `utf8_head` is the beginning of the file in UTF-8 (at most 64 KiB are looked at).
std::optional<char> sniff_delimiter(std::string_view utf8_head);

}  // namespace rh::csv
