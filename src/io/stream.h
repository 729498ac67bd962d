// A TCP connection, plain or with TLS, with a deadline on every operation. Blocking, one thread at
// a time. Every error is ErrorKind::unavailable with Verdict::retry (codes connection_failed,
// connection_timeout, connection_closed, those of io/tls.h) and names the peer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/tls.h"

namespace rh::io {

// Whether the next write comes at once, so that the two may share a packet.
enum class Follows : uint8_t { no, yes };

class Stream {
  public:
    // Tries each address of `host` in turn. The name look-up itself has no deadline.
    static Result<Stream> connect(const std::string& host, uint16_t port, int timeout_ms);
    // Before anything is sent; `host` is whom the certificate must be for.
    Result<void> start_tls(std::shared_ptr<const TlsContext> context, const std::string& host,
                           int timeout_ms);
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream();

    Result<size_t> read_some(std::span<char> buffer, int timeout_ms);  // 0 at the end
    enum class Sent : uint8_t { all, peer_spoke };
    // Writes all bytes, the timeout counts from the last progress. Stops early with peer_spoke when
    // the peer sends something, or closes, before it has taken everything.
    Result<Sent> write_all(std::string_view bytes, int timeout_ms, Follows follows = Follows::no);
    // Whoever waits for the peer, or will, finds the connection closed. Any thread.
    void cut();
    // True while the peer has neither closed nor sent anything: fit to be used again.
    bool is_idle() const;
    const std::string& peer() const { return peer_; }  // "host:port"

  private:
    Stream(int fd, std::string peer) : fd_(fd), peer_(std::move(peer)) {}
    Result<Attempt> try_read(std::span<char> buffer);
    Result<Attempt> try_write(std::string_view bytes, Follows follows);
    std::unexpected<Error> broken(int error) const;

    int fd_ = -1;
    std::string peer_;
    std::unique_ptr<TlsSession> tls_;  // none: plain TCP; ends before fd_ is closed
};

// A TCP port of 127.0.0.1 that nobody uses, kept for as long as this lives: no other socket can
// take it but one that listens with SO_REUSEADDR, as ClickHouse's do, and that one may end and come
// back.
class LoopbackPort {
  public:
    static Result<LoopbackPort> reserve();
    LoopbackPort(LoopbackPort&& other) noexcept;
    LoopbackPort& operator=(LoopbackPort&&) = delete;
    ~LoopbackPort();
    uint16_t number() const { return number_; }

  private:
    LoopbackPort(int fd, uint16_t number) : fd_(fd), number_(number) {}
    int fd_ = -1;
    uint16_t number_ = 0;
};

}  // namespace rh::io
