// Blocking reads and writes on one connection with deadlines, for a worker thread: poll(2) on a
// non-blocking socket. A peer that is slow beyond reason is cut, whether it sends nothing or a byte
// now and then: what counts is the time spent waiting for it against what it moved. Does not own
// the socket. One thread at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/slot.h"

namespace rh::http {

struct StreamLimits {
    unsigned read_timeout_s = 60;   // without any byte from the peer
    unsigned write_timeout_s = 60;  // without any byte taken by the peer
    // Beyond one time-out of waiting in all, the peer must move at least this much.
    uint64_t bytes_per_second_min = 512;
};

class ClientStream {
  public:
    // `received` are bytes that were read from the socket already; they come first. Once `give_up`
    // is true, nothing more is read from the peer. A write that has to wait long for the
    // peer takes the slot first.
    ClientStream(int fd, std::string received, const StreamLimits& limits,
                 const std::atomic<bool>& give_up, Slot& slot);

    // 0: the peer closed. Errors: unavailable request_timeout, stopping; invalid_request body_cut.
    Result<size_t> read(std::span<char> buffer);
    // One byte at a time from a buffer, for lines; same errors, and body_cut at the end.
    Result<char> read_byte();
    // The parts one after the other. Errors: invalid_request client_gone; unavailable
    // write_timeout, too_many_downloads.
    Result<void> write(std::span<const std::string_view> parts);
    Result<void> write(std::string_view bytes) { return write(std::array{bytes}); }

    // True once the peer has closed its side and nothing is left to read; does not wait.
    bool peer_closed();
    // What was received and not read: the beginning of the next request.
    std::string take_received();
    uint64_t bytes_written() const { return bytes_written_; }

  private:
    struct Pace {  // of one direction
        int64_t waited_ms = 0;
        uint64_t moved_bytes = 0;
    };
    enum class Wait : uint8_t { ready, timeout };
    Wait wait(short events, int64_t timeout_ms, Pace& pace) const;
    Result<size_t> receive(std::span<char> buffer);

    int fd_;
    std::string received_;
    size_t consumed_ = 0;
    StreamLimits limits_;
    const std::atomic<bool>& give_up_;
    Slot& slot_;
    Pace reading_, writing_;
    uint64_t bytes_written_ = 0;
};

}  // namespace rh::http
