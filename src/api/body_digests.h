// Content-Digest and Repr-Digest (RFC 9530): read from a request, compared with the body as it
// comes, written into an answer. One request, one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"
#include "receive/declared_digests.h"
#include "receive/sha256.h"

namespace rh::api {

// The SHA-256 that a header declares, if it does. Error invalid_request bad_digest: also of one
// that names other algorithms only, for it would go unchecked.
Result<std::optional<receive::Sha256>> read_digest(std::string_view header,
                                                   std::string_view header_name);
// Both of a request. Error bad_digest.
Result<receive::DeclaredDigests> read_digests(const http::Request& request);

// Hashes a body only if there is something to compare it with.
class BodyDigests {
  public:
    // `packed`: what is unpacked differs from what is sent, and comes by take_unpacked().
    BodyDigests(const receive::DeclaredDigests& declared, bool packed);
    void take_sent(std::string_view bytes);
    void take_unpacked(std::string_view bytes);
    // Once, at the end of the body. Error digest_mismatch.
    Result<void> check();

  private:
    receive::DeclaredDigests declared_;
    std::optional<receive::Sha256Stream> sent_;
    std::optional<receive::Sha256Stream> unpacked_;
};

// "sha-256=:BASE64:" of a digest in hex.
std::string digest_header(std::string_view sha256_hex);

}  // namespace rh::api
