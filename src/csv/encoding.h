// Which encoding a file has, and UTF-8 out of each. Pure, streaming, one thread.
// A BOM decides; else the pattern of zero bytes (UTF-16 LE or BE); else UTF-8, unless invalid bytes
// outnumber valid multi-byte sequences in the whole file (then Windows-1252).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::csv {

enum class Encoding : uint8_t { utf8, utf16le, utf16be, windows1252 };

// "utf-8", "utf-16le", "utf-16be", "windows-1252": the words of the API.
std::string_view name(Encoding encoding);
// Accepts those, any case, and usual aliases (utf8, utf-16-le, cp1252, latin1 is NOT one).
std::optional<Encoding> parse_encoding(std::string_view text);

// Sees the whole file once, in pieces.
class EncodingSniffer {
  public:
    void feed(std::string_view bytes);
    struct Verdict {
        Encoding encoding = Encoding::utf8;
        bool bom = false;
        uint64_t invalid_bytes = 0;         // bytes outside any valid UTF-8 sequence
        uint64_t multi_byte_sequences = 0;  // valid ones of 2 to 4 bytes
        bool has_nul = false;               // zero bytes that no UTF-16 explains: a binary file
    };
    Verdict decide() const;

  private:
    // filled in by csv/: the first bytes, counters by position parity, the state of a UTF-8 decoder
};

// Bytes in `encoding` → UTF-8 without BOM, piece by piece. What cannot be decoded (a lone
// surrogate, an undefined Windows-1252 byte) becomes the byte 0xFF, which is never valid UTF-8: the
// reader then refuses that row as invalid_encoding. For UTF-8 input nothing is copied but the BOM
// is skipped.
class Transcoder {
  public:
    explicit Transcoder(Encoding encoding);
    // The result is valid until the next call, and may point into `bytes`.
    std::string_view feed(std::string_view bytes);
    // Error invalid_content truncated_encoding: half a UTF-16 unit or pair is left: the file was
    // cut.
    Result<std::string_view> finish();

  private:
    Encoding encoding_;
};

// The delimiter of a header line: the one of , ; tab | that makes the ten column names appear;
// nullopt if none does. `utf8_head` is the beginning of the file in UTF-8 (at most 64 KiB are
// looked at).
std::optional<char> sniff_delimiter(std::string_view utf8_head);

}  // namespace rh::csv
