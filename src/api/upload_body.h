// The file in the body of POST /v1/uploads: the body itself, or the one file of a
// multipart/form-data body. Hashes what it reads, for Content-Digest of a multipart body and for
// idempotency. One request, one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/body_digests.h"
#include "base/result.h"
#include "http/exchange.h"
#include "http/multipart.h"
#include "io/unpack.h"
#include "receive/sha256.h"

namespace rh::api {

// Media types that are taken, as Accept-Post names them.
inline constexpr std::string_view kAcceptPost =
    "text/csv, application/csv, text/plain, application/octet-stream, application/gzip, "
    "application/zstd, application/vnd.ms-excel, multipart/form-data";

class UploadBody {
  public:
    // Reads up to the beginning of the file. Errors: unsupported unsupported_media_type,
    // unsupported_encoding; invalid_request bad_multipart, no_file, unexpected_field; those of the
    // exchange.
    static Result<std::unique_ptr<UploadBody>> open(http::Exchange& exchange,
                                                    std::optional<receive::Sha256> content_digest);

    // Bytes of the file as sent; 0: its end, after the whole body was read. Errors also:
    // several_files, unexpected_field, digest_mismatch (of a multipart body).
    Result<size_t> read(std::span<char> buffer);

    io::ContentEncoding content_encoding() const { return encoding_; }
    const std::optional<std::string>& filename() const { return filename_; }
    bool is_multipart() const { return multipart_.has_value(); }
    // SHA-256 of the file as sent, hex; empty before read() said 0, and of a request without an
    // Idempotency-Key, which alone needs it.
    const std::string& file_sha256() const { return file_sha256_; }

  private:
    UploadBody(http::Exchange& exchange, std::optional<receive::Sha256> content_digest)
        : exchange_(exchange),
          content_digest_({.content = content_digest, .repr = {}}, /*packed=*/false) {}
    Result<void> open_multipart(std::string_view content_type);
    Result<size_t> read_raw(std::span<char> buffer);
    Result<void> finish();

    http::Exchange& exchange_;
    BodyDigests content_digest_;  // of a multipart body
    std::optional<receive::Sha256Stream> file_hash_;
    bool ended_ = false;
    std::optional<http::MultipartReader> multipart_;
    io::ContentEncoding encoding_ = io::ContentEncoding::none;
    std::optional<std::string> filename_;
    std::string file_sha256_;
};

}  // namespace rh::api
