#include "http/server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/header_gate.h"
#include "http/session.h"
#include "http/worker_pool.h"

namespace rh::http {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kLinger{5};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kLastAnswers{1};  // to write them after the drain, and to take them
constexpr size_t kReadBytes = 16 * 1024;

}  // namespace

// Everything but `context` and `pool` is used by the I/O thread alone, or under `mutex`.
struct Server::Impl {
    class Connection;

    Impl(const ServerOptions& options, Router router, Authenticator authenticate, Observer observe)
        : context{.options = options,
                  .router = std::move(router),
                  .authenticate = std::move(authenticate),
                  .observe = std::move(observe)},
          pool(options.worker_threads, options.queue_max) {}

    Result<void> listen();
    void accept();
    void accepted(tcp::socket socket);
    void add(std::shared_ptr<Connection> connection);
    void remove(const std::shared_ptr<Connection>& connection);
    void count_working(int change);

    SessionContext context;
    asio::io_context io{1};
    tcp::acceptor acceptor{io};
    asio::steady_timer accept_pause{io};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    std::unordered_set<std::shared_ptr<Connection>> connections;
    uint16_t port = 0;

    std::mutex mutex;
    std::condition_variable changed;
    size_t open = 0;     // connections; guarded by mutex
    size_t working = 0;  // connections that a worker has; guarded by mutex

    std::thread thread;
    WorkerPool pool;
};

// One connection. Its state belongs to the I/O thread, but while a request runs the socket's
// descriptor is the worker's; the I/O thread may then only shut it down.
class Server::Impl::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Impl& server, tcp::socket socket)
        : server_(server), socket_(std::move(socket)), timer_(server.io) {
        error_code error;
        const auto peer = socket_.remote_endpoint(error);
        peer_ = error ? "unknown" : peer.address().to_string();
        socket_.non_blocking(true, error);
        socket_.set_option(tcp::no_delay(true), error);
    }

    // Looks at what has arrived and waits for the rest of the head, or hands over to a worker.
    void next_head();
    void refuse(const Error& error);
    void close();
    // At the very end: wakes the worker that waits for this client to take its answer.
    void shut_down() {
        error_code error;
        socket_.shutdown(tcp::socket::shutdown_both, error);
    }
    bool working() const { return working_; }

  private:
    void wait_readable(std::chrono::steady_clock::duration timeout);
    void readable();
    void timed_out();
    void dispatch(size_t head_bytes);
    void finished(SessionOutcome outcome);
    void linger();

    Impl& server_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    std::string peer_;
    std::string received_;
    uint64_t discard_ = 0;     // bytes of the last body that still come
    uint64_t generation_ = 0;  // a callback of an older one is void
    std::chrono::steady_clock::time_point head_begin_;
    bool working_ = false;
    bool lingering_ = false;
};

void Server::Impl::Connection::next_head() {
    const auto skipped = std::min<uint64_t>(discard_, received_.size());
    received_.erase(0, skipped);
    discard_ -= skipped;
    const ServerOptions& options = server_.context.options;
    const HeadExtent extent = find_head(received_);
    if (extent.scan == HeadScan::broken) {
        refuse({ErrorKind::invalid_request, "bad_request_line",
                "The request head is not lines that end in CRLF and then an empty line."});
        return;
    }
    const bool complete = extent.scan == HeadScan::complete;
    if (complete ? extent.bytes > options.head_bytes_max
                 : received_.size() >= options.head_bytes_max) {
        refuse({ErrorKind::too_large, "header_too_large",
                fmt::format("The request line and headers have more than {} bytes; send fewer or "
                            "shorter ones.",
                            options.head_bytes_max)});
        return;
    }
    if (complete) {
        dispatch(extent.bytes);
        return;
    }
    if (received_.empty() && discard_ == 0) {
        head_begin_ = {};
        wait_readable(std::chrono::seconds(options.idle_timeout_s));
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (head_begin_ == std::chrono::steady_clock::time_point{}) {
        head_begin_ = now;
    }
    wait_readable(head_begin_ + std::chrono::seconds(options.head_timeout_s) - now);
}

void Server::Impl::Connection::wait_readable(std::chrono::steady_clock::duration timeout) {
    const uint64_t generation = ++generation_;
    timer_.expires_after(timeout);
    timer_.async_wait([self = shared_from_this(), generation](error_code error) {
        if (!error && generation == self->generation_) {
            self->timed_out();
        }
    });
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this(), generation](error_code error) {
                           if (generation != self->generation_) {
                               return;
                           }
                           error ? self->close() : self->readable();
                       });
}

void Server::Impl::Connection::readable() {
    std::array<char, kReadBytes> buffer{};
    error_code error;
    const size_t got = socket_.read_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block) {
        next_head();
        return;
    }
    if (error) {
        close();
        return;
    }
    if (lingering_) {
        // Only the deadline of linger() ends this, or the client.
        const uint64_t generation = generation_;
        socket_.async_wait(tcp::socket::wait_read,
                           [self = shared_from_this(), generation](error_code failed) {
                               if (generation == self->generation_) {
                                   failed ? self->close() : self->readable();
                               }
                           });
        return;
    }
    received_.append(buffer.data(), got);
    next_head();
}

void Server::Impl::Connection::timed_out() {
    if (lingering_ || received_.empty()) {
        close();
        return;
    }
    refuse({ErrorKind::unavailable, "request_timeout",
            fmt::format("The request line and headers did not arrive within {} s.",
                        server_.context.options.head_timeout_s)});
}

void Server::Impl::Connection::refuse(const Error& error) {
    const std::string answer = closing_answer(error);
    // One try: the answer is small, and a client with a full window has not read earlier ones.
    [[maybe_unused]] const ssize_t sent =
        ::send(socket_.native_handle(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    log_event(LogLevel::info, "request refused", {{"code", error.code}, {"peer", peer_}});
    linger();
}

void Server::Impl::Connection::dispatch(size_t head_bytes) {
    ++generation_;
    timer_.cancel();
    head_begin_ = {};
    working_ = true;
    server_.count_working(+1);
    const bool taken = server_.pool.submit([self = shared_from_this(), head_bytes] {
        auto outcome = run_session(self->server_.context, self->socket_.native_handle(),
                                   std::move(self->received_), head_bytes, self->peer_);
        asio::post(self->server_.io, [self, outcome = std::move(outcome)]() mutable {
            self->finished(std::move(outcome));
        });
    });
    if (!taken) {
        working_ = false;
        server_.count_working(-1);
        refuse({ErrorKind::unavailable, "overloaded",
                "Too many requests are waiting already. Try again in a while.", Verdict::retry});
    }
}

void Server::Impl::Connection::finished(SessionOutcome outcome) {
    working_ = false;
    server_.count_working(-1);
    received_ = std::move(outcome.received);
    discard_ = outcome.discard;
    switch (outcome.next) {
        case SessionOutcome::Next::keep_alive:
            if (server_.context.stopping) {
                linger();
            } else {
                next_head();
            }
            return;
        case SessionOutcome::Next::linger:
            linger();
            return;
        case SessionOutcome::Next::reset: {
            error_code error;
            socket_.set_option(asio::socket_base::linger(true, 0), error);
            close();
            return;
        }
    }
}

void Server::Impl::Connection::linger() {
    error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    if (error) {
        close();
        return;
    }
    received_.clear();
    lingering_ = true;
    wait_readable(kLinger);
}

void Server::Impl::Connection::close() {
    ++generation_;
    timer_.cancel();
    error_code error;
    socket_.close(error);
    server_.remove(shared_from_this());
}

Result<void> Server::Impl::listen() {
    const ServerOptions& options = context.options;
    error_code error;
    const auto address = asio::ip::make_address(
        options.address == "localhost" ? "127.0.0.1" : options.address, error);
    if (error) {
        return fail(ErrorKind::invalid_request, "bad_listen_address",
                    fmt::format("{} is no IP address to listen on.", options.address));
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
        acceptor.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) {
        acceptor.bind(endpoint, error);
    }
    if (!error) {
        acceptor.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
        const bool in_use = error == asio::error::address_in_use;
        return fail(in_use ? ErrorKind::conflict : ErrorKind::forbidden,
                    in_use ? "address_in_use" : "address_refused",
                    fmt::format("Cannot listen on {}:{}: {}. Choose another with --listen.",
                                options.address, options.port, error.message()));
    }
    port = acceptor.local_endpoint(error).port();
    return {};
}

void Server::Impl::accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
        if (error == asio::error::operation_aborted || !acceptor.is_open()) {
            return;
        }
        if (error) {
            // Mostly out of descriptors: accepting again at once would spin.
            accept_pause.expires_after(kAcceptPause);
            accept_pause.async_wait([this](error_code cancelled) {
                if (!cancelled && acceptor.is_open()) {
                    accept();
                }
            });
            return;
        }
        accepted(std::move(socket));
        accept();
    });
}

void Server::Impl::accepted(tcp::socket socket) {
    // Refused connections linger too, so they count; far beyond the limit they are just closed.
    const size_t limit = context.options.connections_max;
    if (connections.size() >= limit + std::max<size_t>(limit / 4, 1)) {
        return;
    }
    const bool full = connections.size() >= limit;
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    add(connection);
    if (full) {
        connection->refuse({ErrorKind::unavailable, "too_many_connections",
                            fmt::format("{} connections are open, as many as this server takes. "
                                        "Try again in a while.",
                                        limit),
                            Verdict::retry});
    } else {
        connection->next_head();
    }
}

void Server::Impl::add(std::shared_ptr<Connection> connection) {
    connections.insert(std::move(connection));
    const std::lock_guard lock(mutex);
    open = connections.size();
}

void Server::Impl::remove(const std::shared_ptr<Connection>& connection) {
    connections.erase(connection);
    const std::lock_guard lock(mutex);
    open = connections.size();
    changed.notify_all();
}

void Server::Impl::count_working(int change) {
    const std::lock_guard lock(mutex);
    working = static_cast<size_t>(static_cast<int64_t>(working) + change);
    changed.notify_all();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { stop(0); }

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Router router,
                                              Authenticator authenticate, Observer observe) {
    auto impl = std::make_unique<Impl>(options, std::move(router), std::move(authenticate),
                                       std::move(observe));
    RH_TRY(impl->listen());
    impl->accept();
    impl->thread = std::thread([io = &impl->io] { io->run(); });
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

uint16_t Server::port() const { return impl_->port; }

void Server::stop(unsigned drain_s) {
    Impl& impl = *impl_;
    if (!impl.thread.joinable()) {
        return;
    }
    impl.context.stopping = true;
    asio::post(impl.io, [&impl] {
        error_code error;
        impl.acceptor.close(error);
        impl.accept_pause.cancel();
        const auto all = impl.connections;
        for (const auto& connection : all) {
            if (!connection->working()) {
                connection->close();
            }
        }
    });
    {
        std::unique_lock lock(impl.mutex);
        impl.changed.wait_for(lock, std::chrono::seconds(drain_s),
                              [&impl] { return impl.working == 0; });
    }
    impl.context.drained = true;
    {
        std::unique_lock lock(impl.mutex);
        impl.changed.wait_for(lock, kLastAnswers, [&impl] { return impl.working == 0; });
    }
    asio::post(impl.io, [&impl] {
        for (const auto& connection : impl.connections) {
            if (connection->working()) {
                connection->shut_down();
            }
        }
    });
    impl.pool.join();
    {
        std::unique_lock lock(impl.mutex);
        impl.changed.wait_for(lock, kLastAnswers, [&impl] { return impl.open == 0; });
    }
    impl.work.reset();
    impl.io.stop();
    impl.thread.join();
    impl.connections.clear();
}

}  // namespace rh::http
