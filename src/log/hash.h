// XXH3-128 as 32 hex digits, as `xxhsum -H2` prints it. Finds damage, not forgery.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rh::log {

std::string xxh3_128(std::string_view bytes);

// The same over pieces, one after another.
class Hasher {
  public:
    Hasher();
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;

    void add(std::string_view bytes);
    std::string digest() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace rh::log
