#include "http/client_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/clock.h"

namespace rh::http {
namespace {

constexpr size_t kPartsMax = 4;
constexpr int64_t kLookMs = 100;  // how often a wait looks whether reading is given up
constexpr size_t kLineBufferBytes = 16 * 1024;
// So long in all a client may let an answer wait, as one far away does, before that takes a slot.
constexpr int64_t kWithoutSlotMs = 1'000;

constexpr int64_t in_ms(unsigned seconds) { return static_cast<int64_t>(seconds) * 1'000; }

std::unexpected<Error> body_cut() {
    return fail(ErrorKind::invalid_request, "body_cut",
                "The connection ended before the whole body was sent; nothing of it is kept. Send "
                "it again.");
}

}  // namespace

ClientStream::ClientStream(int fd, std::string received, const StreamLimits& limits,
                           const std::atomic<bool>& give_up, Slot& slot)
    : fd_(fd), received_(std::move(received)), limits_(limits), give_up_(give_up), slot_(slot) {}

ClientStream::Wait ClientStream::wait(short events, int64_t timeout_ms, Pace& pace) const {
    const int64_t allowed_ms =
        timeout_ms + static_cast<int64_t>(pace.moved_bytes * 1000 /
                                          std::max<uint64_t>(limits_.bytes_per_second_min, 1));
    const int64_t begin = monotonic_ms();
    const int64_t until =
        begin + std::min(timeout_ms, std::max<int64_t>(allowed_ms - pace.waited_ms, 0));
    while (true) {
        if (events == POLLIN && give_up_) {
            return Wait::ready;  // receive() says so; an answer may still go out
        }
        const int64_t left = until - monotonic_ms();
        pollfd waiting{.fd = fd_, .events = events, .revents = 0};
        const int ready =
            ::poll(&waiting, 1, static_cast<int>(std::clamp<int64_t>(left, 0, kLookMs)));
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            pace.waited_ms += monotonic_ms() - begin;
            return Wait::ready;  // an error shows in the call that follows
        }
        if (ready == 0 && left <= 0) {
            pace.waited_ms += monotonic_ms() - begin;
            return Wait::timeout;
        }
    }
}

Result<size_t> ClientStream::receive(std::span<char> buffer) {
    while (true) {
        if (give_up_) {
            return fail(ErrorKind::unavailable, "stopping",
                        "The server is stopping and waits no longer for the body; nothing of it is "
                        "kept. Send it again when the server is back.");
        }
        const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (got >= 0) {
            reading_.moved_bytes += static_cast<uint64_t>(got);
            return static_cast<size_t>(got);
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return body_cut();
        }
        if (wait(POLLIN, in_ms(limits_.read_timeout_s), reading_) == Wait::timeout) {
            return fail(ErrorKind::unavailable, "request_timeout",
                        fmt::format("The body came too slowly: no data for {} s, or fewer than {} "
                                    "bytes a second. Nothing of it is kept. Send it again.",
                                    limits_.read_timeout_s, limits_.bytes_per_second_min));
        }
    }
}

Result<size_t> ClientStream::read(std::span<char> buffer) {
    if (consumed_ < received_.size()) {
        const size_t bytes = std::min(buffer.size(), received_.size() - consumed_);
        std::memcpy(buffer.data(), received_.data() + consumed_, bytes);
        consumed_ += bytes;
        return bytes;
    }
    return receive(buffer);
}

Result<char> ClientStream::read_byte() {
    if (consumed_ == received_.size()) {
        received_.resize(kLineBufferBytes);
        consumed_ = 0;
        const auto got = receive(received_);
        received_.resize(got.value_or(0));
        if (!got) {
            return std::unexpected(got.error());
        }
        if (*got == 0) {
            return body_cut();
        }
    }
    return received_[consumed_++];
}

Result<void> ClientStream::write(std::span<const std::string_view> parts) {
    RH_ASSERT(parts.size() <= kPartsMax);
    std::array<iovec, kPartsMax> vectors{};
    size_t count = 0;
    for (const std::string_view part : parts) {
        if (!part.empty()) {
            vectors[count++] = {const_cast<char*>(part.data()), part.size()};
        }
    }
    const int64_t timeout_ms = in_ms(limits_.write_timeout_s);
    const int64_t without_slot_ms = std::min(kWithoutSlotMs, timeout_ms / 2);
    size_t first = 0;
    while (first < count) {
        msghdr message{};
        message.msg_iov = &vectors[first];
        message.msg_iovlen = count - first;
        const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                return fail(ErrorKind::invalid_request, "client_gone",
                            "The client closed the connection before the answer was sent.");
            }
            if (const int64_t left = without_slot_ms - writing_.waited_ms; left > 0) {
                wait(POLLOUT, left, writing_);
                continue;
            }
            RH_TRY(slot_.take());
            if (wait(POLLOUT, timeout_ms, writing_) == Wait::timeout) {
                return fail(ErrorKind::unavailable, "write_timeout",
                            "The client took the answer too slowly.");
            }
            continue;
        }
        auto left = static_cast<size_t>(sent);
        writing_.moved_bytes += left;
        bytes_written_ += left;
        while (first < count && left >= vectors[first].iov_len) {
            left -= vectors[first++].iov_len;
        }
        if (first < count) {
            vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
            vectors[first].iov_len -= left;
        }
    }
    return {};
}

bool ClientStream::peer_closed() {
    if (consumed_ < received_.size()) {
        return false;
    }
    char byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

std::string ClientStream::take_received() {
    std::string left = received_.substr(consumed_);
    received_.clear();
    consumed_ = 0;
    return left;
}

}  // namespace rh::http
