// TLS 1.2 and 1.3 for a client, over a socket that never blocks; Stream drives it. The server's
// certificate must be signed by a CA of the file and be for the host that was asked for; there is
// no way to leave that out.
//
// A TlsContext is used by any thread, a TlsSession by one at a time. Errors: invalid_request
// tls_ca_file; unavailable tls_certificate and tls_failed (both retry: a certificate may be
// replaced), connection_closed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::io {

class TlsContext {
  public:
    // `ca_file`: certificates in PEM, one or more.
    static Result<std::shared_ptr<const TlsContext>> create(const std::string& ca_file);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

  private:
    friend class TlsSession;
    struct Impl;
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// What one attempt on a socket came to: bytes moved, or what must be waited for before the next.
struct Attempt {
    size_t bytes = 0;
    int16_t wait_for = 0;      // POLLIN or POLLOUT; 0: it is done
    bool peer_closed = false;  // of a write: the peer takes nothing any more
};

class TlsSession {
  public:
    // `peer` is what messages call the other end; `host` the name or address that the certificate
    // must be for. The socket outlives the session.
    static Result<std::unique_ptr<TlsSession>> create(std::shared_ptr<const TlsContext> context,
                                                      int fd, std::string peer,
                                                      const std::string& host);
    ~TlsSession();  // says goodbye if the connection is whole
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    Result<Attempt> shake_hands();
    Result<Attempt> read(std::span<char> buffer);  // 0 bytes: the peer said goodbye
    Result<Attempt> write(std::string_view bytes);
    // Whether there is something for read(). Takes in what is not for it: a server sends tickets
    // after the handshake.
    bool has_data();

  private:
    struct Impl;
    explicit TlsSession(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace rh::io
