// SHA-256 of a stream (OpenSSL, which uses the CPU's instructions for it). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace rh::receive {

using Sha256 = std::array<uint8_t, 32>;

class Sha256Stream {
  public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(const Sha256Stream&) = delete;
    Sha256Stream& operator=(const Sha256Stream&) = delete;

    void feed(std::string_view bytes);
    Sha256 finish();  // once, as the last call

  private:
    struct State;
    std::unique_ptr<State> state_;
};

Sha256 sha256(std::string_view bytes);
std::string hex(const Sha256& digest);  // lower case

}  // namespace rh::receive
