// Content codings of a request body, undone piece by piece: gzip (of one or more members) and zstd
// (of one or more frames). Nothing is kept but the library's window. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace rh::io {

enum class ContentEncoding : uint8_t { none, gzip, zstd };
// "identity" or empty, "gzip" or "x-gzip", "zstd", any case; nullopt for others, lists of codings
// too.
std::optional<ContentEncoding> parse_content_encoding(std::string_view text);

// RFC 9659: a zstd body may not ask its reader for a larger window than 8 MiB.
inline constexpr int kZstdWindowLogMax = 23;

// Unpacked bytes for each packed one, once more than `free_bytes` are unpacked.
struct RatioLimit {
    uint64_t ratio_max = 0;
    uint64_t free_bytes = 0;
};
// Error too_large decompression_ratio.
Result<void> check_ratio(ContentEncoding encoding, uint64_t packed, uint64_t unpacked,
                         const RatioLimit& limit);

class Unpacker {
  public:
    // Takes unpacked bytes; an Error ends the unpacking and is passed through.
    using Taker = std::function<Result<void>(std::string_view)>;

    static std::unique_ptr<Unpacker> make(ContentEncoding encoding);
    virtual ~Unpacker() = default;
    // Errors invalid_content bad_gzip, bad_zstd: not of that format, or damaged.
    virtual Result<void> feed(std::string_view packed, const Taker& take) = 0;
    // The end of the body. Errors invalid_content truncated_gzip, truncated_zstd.
    virtual Result<void> finish() = 0;
};

}  // namespace rh::io
