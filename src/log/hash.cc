#include "log/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "base/assert.h"

namespace rh::log {
namespace {

std::string hex(XXH128_hash_t hash) {
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

struct Hasher::State {
    XXH3_state_t* xxh = XXH3_createState();
    State() { RH_ASSERT(xxh != nullptr && XXH3_128bits_reset(xxh) == XXH_OK); }
    ~State() { XXH3_freeState(xxh); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
};

std::string xxh3_128(std::string_view bytes) {
    return hex(XXH3_128bits(bytes.data(), bytes.size()));
}

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;

void Hasher::add(std::string_view bytes) {
    RH_ASSERT(XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()) == XXH_OK);
}

std::string Hasher::digest() const { return hex(XXH3_128bits_digest(state_->xxh)); }

}  // namespace rh::log
