#include "io/stream.h"

#include <cerrno>
#include <cstring>
#include <expected>
#include <memory>
#include <random>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

namespace rh::io {
namespace {

std::unexpected<Error> connection_error(std::string_view code, std::string message) {
    return fail(ErrorKind::unavailable, std::string(code), std::move(message), Verdict::retry);
}

// The events that came, or 0 after the timeout.
int poll_one(int fd, int16_t events, int timeout_ms) {
    const int64_t deadline = monotonic_ms() + timeout_ms;
    pollfd polled{fd, events, 0};
    while (true) {
        const int64_t left = deadline - monotonic_ms();
        const int ready = ::poll(&polled, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready > 0) {
            return polled.revents;
        }
        if (ready == 0 || errno != EINTR) {
            return 0;
        }
    }
}

// 0, or the errno of a connection that could not be made.
int finish_connect(int fd, const addrinfo& address, int timeout_ms) {
    if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    if (poll_one(fd, POLLOUT, timeout_ms) == 0) {
        return ETIMEDOUT;
    }
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

// A peer whose machine is gone says nothing any more: found out within half a minute.
void keep_alive(int fd) {
    const int on = 1;
    const int idle_s = 15;
    const int interval_s = 5;
    const int probes = 3;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace

Stream::Stream(Stream&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      peer_(std::move(other.peer_)),
      tls_(std::move(other.tls_)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(peer_, other.peer_);
    std::swap(tls_, other.tls_);
    return *this;
}

Stream::~Stream() {
    tls_.reset();
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<Stream> Stream::connect(const std::string& host, uint16_t port, int timeout_ms) {
    const std::string peer = fmt::format("{}:{}", host, port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int looked_up = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (looked_up != 0) {
        return connection_error("connection_failed", fmt::format("Cannot find the host {}: {}.",
                                                                 host, ::gai_strerror(looked_up)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    int error = 0;
    for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
        const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            error = errno;
            continue;
        }
        Stream stream(fd, peer);
        error = finish_connect(fd, *address, timeout_ms);
        if (error == 0) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            keep_alive(fd);
            return stream;
        }
    }
    return connection_error(error == ETIMEDOUT ? "connection_timeout" : "connection_failed",
                            fmt::format("Cannot connect to {}: {}.", peer, std::strerror(error)));
}

Result<void> Stream::start_tls(std::shared_ptr<const TlsContext> context, const std::string& host,
                               int timeout_ms) {
    RH_ASSIGN(tls_, TlsSession::create(std::move(context), fd_, peer_, host));
    const int64_t deadline = monotonic_ms() + timeout_ms;
    while (true) {
        RH_ASSIGN(const Attempt shaken, tls_->shake_hands());
        if (shaken.wait_for == 0) {
            return {};
        }
        const auto left = static_cast<int>(deadline - monotonic_ms());
        if (left <= 0 || poll_one(fd_, shaken.wait_for, left) == 0) {
            return connection_error(
                "connection_timeout",
                fmt::format("{} did not begin TLS within {} ms.", peer_, timeout_ms));
        }
    }
}

std::unexpected<Error> Stream::broken(int error) const {
    return connection_error("connection_closed", fmt::format("The connection to {} broke: {}.",
                                                             peer_, std::strerror(error)));
}

Result<Attempt> Stream::try_read(std::span<char> buffer) {
    if (tls_) {
        return tls_->read(buffer);
    }
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got >= 0) {
        return Attempt{.bytes = static_cast<size_t>(got)};
    }
    return errno == EAGAIN || errno == EINTR ? Result<Attempt>(Attempt{.wait_for = POLLIN})
                                             : broken(errno);
}

Result<Attempt> Stream::try_write(std::string_view bytes, Follows follows) {
    if (tls_) {
        return tls_->write(bytes);
    }
    const int flags = MSG_NOSIGNAL | (follows == Follows::yes ? MSG_MORE : 0);
    const ssize_t written = ::send(fd_, bytes.data(), bytes.size(), flags);
    if (written >= 0) {
        return Attempt{.bytes = static_cast<size_t>(written)};
    }
    if (errno == EPIPE || errno == ECONNRESET) {
        return Attempt{.peer_closed = true};
    }
    return errno == EAGAIN || errno == EINTR ? Result<Attempt>(Attempt{.wait_for = POLLOUT})
                                             : broken(errno);
}

void Stream::cut() { ::shutdown(fd_, SHUT_RDWR); }

Result<size_t> Stream::read_some(std::span<char> buffer, int timeout_ms) {
    while (true) {
        RH_ASSIGN(const Attempt got, try_read(buffer));
        if (got.wait_for == 0) {
            return got.bytes;
        }
        if (poll_one(fd_, got.wait_for, timeout_ms) == 0) {
            return connection_error("connection_timeout",
                                    fmt::format("{} sent nothing for {} ms.", peer_, timeout_ms));
        }
    }
}

Result<Stream::Sent> Stream::write_all(std::string_view bytes, int timeout_ms, Follows follows) {
    while (!bytes.empty()) {
        RH_ASSIGN(const Attempt sent, try_write(bytes, follows));
        if (sent.peer_closed) {
            return Sent::peer_spoke;  // it may have said why before it closed
        }
        if (sent.wait_for == 0) {
            bytes.remove_prefix(sent.bytes);
            continue;
        }
        const auto events = static_cast<unsigned>(
            poll_one(fd_, static_cast<int16_t>(POLLIN | sent.wait_for), timeout_ms));
        if (events == 0) {
            return connection_error("connection_timeout",
                                    fmt::format("{} took no data for {} ms.", peer_, timeout_ms));
        }
        if ((events & static_cast<unsigned>(sent.wait_for)) == 0 && !is_idle()) {
            return Sent::peer_spoke;
        }
    }
    return Sent::all;
}

bool Stream::is_idle() const {
    const bool silent = poll_one(fd_, POLLIN, 0) == 0;
    return tls_ ? !tls_->has_data() : silent;
}

namespace {

struct BoundSocket {
    int fd;
    uint16_t port;
};

// 0: the kernel's choice. An errno as an error.
std::expected<BoundSocket, int> bind_loopback(uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return std::unexpected(errno);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    // Set after the bind, the option lets the listener in, and yet this bind met nobody.
    const int on = 1;
    if (::bind(fd, generic, length) != 0 || ::getsockname(fd, generic, &length) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        const int error = errno;
        ::close(fd);
        return std::unexpected(error);
    }
    return BoundSocket{fd, ntohs(address.sin_port)};
}

}  // namespace

Result<LoopbackPort> LoopbackPort::reserve() {
    // Below the range from which Linux takes the ports of outgoing connections (32768 and up unless
    // it was changed): a connection to a port of that range may be given the very same port, and
    // then talks to itself.
    constexpr uint16_t kFirst = 20'000;
    constexpr uint16_t kLast = 32'000;
    constexpr int kTries = 100;
    std::random_device random;
    std::uniform_int_distribution<uint16_t> any(kFirst, kLast);
    for (int i = 0; i < kTries; ++i) {
        if (const auto bound = bind_loopback(any(random))) {
            return LoopbackPort(bound->fd, bound->port);
        }
    }
    const auto bound = bind_loopback(0);
    if (!bound) {
        return fail(
            ErrorKind::internal, "no_free_port",
            fmt::format("No free TCP port on 127.0.0.1: {}.", std::strerror(bound.error())));
    }
    return LoopbackPort(bound->fd, bound->port);
}

LoopbackPort::LoopbackPort(LoopbackPort&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), number_(other.number_) {}

LoopbackPort::~LoopbackPort() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

}  // namespace rh::io
