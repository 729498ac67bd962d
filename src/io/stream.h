// A TCP connection with a deadline on every operation. Blocking, one thread at a time. Only plain
// TCP: a service reached over TLS is reached through a proxy on this machine. Every error is
// ErrorKind::unavailable with Verdict::retry (codes connection_failed, connection_timeout,
// connection_closed) and names the peer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::io {

class Stream {
  public:
    // Tries each address of `host` in turn. The name look-up itself has no deadline.
    static Result<Stream> connect(const std::string& host, uint16_t port, int timeout_ms);
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream();

    Result<size_t> read_some(std::span<char> buffer, int timeout_ms);  // 0 at the end
    enum class Sent : uint8_t { all, peer_spoke };
    // Writes all bytes, the timeout counts from the last progress. Stops early with peer_spoke when
    // the peer sends something, or closes, before it has taken everything.
    Result<Sent> write_all(std::string_view bytes, int timeout_ms);
    // True while the peer has neither closed nor sent anything: fit to be used again.
    bool is_idle() const;
    const std::string& peer() const { return peer_; }  // "host:port"

  private:
    Stream(int fd, std::string peer) : fd_(fd), peer_(std::move(peer)) {}
    int fd_ = -1;
    std::string peer_;
};

// A TCP port of 127.0.0.1 that nobody uses now, if one can be had outside of the range of outgoing
// connections. Somebody may take it before the caller does: a collision must be looked for and
// another port tried.
Result<uint16_t> free_loopback_port();

}  // namespace rh::io
