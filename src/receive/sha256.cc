#include "receive/sha256.h"

#include <openssl/evp.h>

#include "base/assert.h"

namespace rh::receive {

struct Sha256Stream::State {
    struct Free {
        void operator()(EVP_MD_CTX* held) const { EVP_MD_CTX_free(held); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

// OpenSSL's calls fail only without memory or without SHA-256 in the library.
Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
    RH_ASSERT(state_->context != nullptr);
    RH_ASSERT(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::feed(std::string_view bytes) {
    RH_ASSERT(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Stream::finish() {
    Sha256 digest{};
    unsigned size = 0;
    RH_ASSERT(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) == 1);
    RH_ASSERT(size == digest.size());
    return digest;
}

Sha256 sha256(std::string_view bytes) {
    Sha256Stream stream;
    stream.feed(bytes);
    return stream.finish();
}

std::string hex(const Sha256& digest) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    text.reserve(2 * digest.size());
    for (const uint8_t byte : digest) {
        text += kHex[byte >> 4];
        text += kHex[byte & 15];
    }
    return text;
}

}  // namespace rh::receive
