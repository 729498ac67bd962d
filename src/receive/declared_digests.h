// What a sender says the SHA-256 of its body is (RFC 9530), and whether that is what came. Pure;
// any thread.
#pragma once

#include <optional>

#include "base/result.h"
#include "receive/sha256.h"

namespace rh::receive {

struct DeclaredDigests {
    std::optional<Sha256> content;  // of the bytes as sent
    std::optional<Sha256> repr;     // of the file: as sent, or unpacked; either one satisfies it
};

struct ReceivedDigests {
    Sha256 sent;
    Sha256 unpacked;
};

// Error invalid_request digest_mismatch.
Result<void> check_digests(const DeclaredDigests& declared, const ReceivedDigests& received);

}  // namespace rh::receive
