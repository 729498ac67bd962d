// multipart/form-data (RFC 7578), pulled part by part out of a stream of bytes; memory is one
// buffer however large a part is. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::http {

class MultipartReader {
  public:
    // Like Exchange::read_body: 0 is the end.
    using Source = std::function<Result<size_t>(std::span<char>)>;

    // Error invalid_request bad_multipart: no boundary of 1 to 70 characters in the Content-Type.
    static Result<MultipartReader> open(std::string_view content_type, Source source);

    struct Part {
        std::string name;
        std::optional<std::string> filename;  // made harmless (http/text.h)
        std::string content_type;             // lower case, without parameters; may be empty
    };
    // Skips what is left of the part before; nullopt after the last one, when the whole body was
    // read to its end. Errors: invalid_request bad_multipart; those of the source.
    Result<std::optional<Part>> next_part();
    // Bytes of the current part; 0: its end. Same errors.
    Result<size_t> read(std::span<char> buffer);

  private:
    MultipartReader(std::string boundary, Source source);
    Result<bool> fill();  // false at the end of the source
    Result<void> need(size_t bytes);
    Result<Part> read_headers();
    Result<void> skip_to_delimiter(size_t bytes_max);
    Result<void> drain();

    std::string delimiter_;  // CRLF -- boundary
    Source source_;
    std::string buffer_;  // received, not yet consumed
    bool started_ = false;
    bool in_part_ = false;
    bool finished_ = false;
};

}  // namespace rh::http
