#include "io/tls.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

namespace rh::io {
namespace {

template <auto function>
struct Deleter {
    template <class T>
    void operator()(T* pointer) const {
        function(pointer);
    }
};
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Deleter<SSL_free>>;

std::string library_reason() {
    const uint64_t code = ERR_peek_last_error();
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : fmt::format("error {:#x}", code);
}

bool is_address(const std::string& host) {
    in6_addr parsed{};
    return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

// OpenSSL's own socket BIO raises SIGPIPE when the peer has gone.
int send_bytes(BIO* bio, const char* bytes, int count) {
    BIO_clear_retry_flags(bio);
    const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
    const ssize_t sent = ::send(fd, bytes, static_cast<size_t>(count), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return static_cast<int>(sent);
}

int receive_bytes(BIO* bio, char* bytes, int count) {
    BIO_clear_retry_flags(bio);
    const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
    const ssize_t got = ::recv(fd, bytes, static_cast<size_t>(count), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_read(bio);
    }
    return static_cast<int>(got);
}

// NOLINTNEXTLINE(google-runtime-int): OpenSSL's signature
long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* make_socket_bio(int fd) {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "socket");
        BIO_meth_set_write(made, send_bytes);
        BIO_meth_set_read(made, receive_bytes);
        BIO_meth_set_ctrl(made, control);
        return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
    BIO_set_init(bio, 1);
    return bio;
}

}  // namespace

struct TlsContext::Impl {
    Context context;
    std::string ca_file;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const std::string& ca_file) {
    ERR_clear_error();
    Context context(SSL_CTX_new(TLS_client_method()));
    if (context == nullptr) {
        return fail(ErrorKind::internal, "tls_failed",
                    fmt::format("TLS cannot be used: {}.", library_reason()));
    }
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) != 1) {
        return fail(ErrorKind::invalid_request, "tls_ca_file",
                    fmt::format("No CA certificates (PEM) can be read from {}: {}. tls.ca_file "
                                "names the file.",
                                ca_file, library_reason()));
    }
    return std::shared_ptr<const TlsContext>(
        new TlsContext(std::make_unique<Impl>(std::move(context), ca_file)));
}

struct TlsSession::Impl {
    std::shared_ptr<const TlsContext> context;
    std::string peer;
    std::string host;
    Session ssl;
    bool whole = false;  // the handshake is done, and nothing has failed since

    template <class T>
    Result<T> failed(std::string_view code, std::string message) {
        whole = false;
        return fail(ErrorKind::unavailable, std::string(code), std::move(message), Verdict::retry);
    }

    Result<Attempt> handshake_error(const std::string& why) {
        const auto verdict = SSL_get_verify_result(ssl.get());
        if (verdict == X509_V_OK) {
            return failed<Attempt>("tls_failed", fmt::format("TLS with {} failed: {}.", peer, why));
        }
        const std::string hint =
            verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH
                ? fmt::format("it is not for {}", host)
                : fmt::format("the CA certificates are those of {}", context->impl_->ca_file);
        return failed<Attempt>("tls_certificate",
                               fmt::format("The certificate of {} is refused: {} ({}).", peer,
                                           X509_verify_cert_error_string(verdict), hint));
    }

    // What a call of OpenSSL came to that did not return more than 0.
    Result<Attempt> attempt(int returned) {
        const int error = errno;
        switch (SSL_get_error(ssl.get(), returned)) {
            case SSL_ERROR_WANT_READ:
                return Attempt{.wait_for = POLLIN};
            case SSL_ERROR_WANT_WRITE:
                return Attempt{.wait_for = POLLOUT};
            case SSL_ERROR_ZERO_RETURN:
                return Attempt{};
            case SSL_ERROR_SYSCALL:
                return failed<Attempt>("connection_closed",
                                       fmt::format("The connection to {} broke: {}.", peer,
                                                   error == 0 ? "closed" : std::strerror(error)));
            default:
                return whole ? failed<Attempt>("connection_closed",
                                               fmt::format("The connection to {} broke: {}.", peer,
                                                           library_reason()))
                             : handshake_error(library_reason());
        }
    }
};

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::~TlsSession() {
    if (impl_->whole) {
        SSL_shutdown(impl_->ssl.get());
    }
}

Result<std::unique_ptr<TlsSession>> TlsSession::create(std::shared_ptr<const TlsContext> context,
                                                       int fd, std::string peer,
                                                       const std::string& host) {
    ERR_clear_error();
    Session ssl(SSL_new(context->impl_->context.get()));
    bool ready = ssl != nullptr;
    if (ready && is_address(host)) {
        ready = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) == 1;
    } else if (ready) {
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ready = SSL_set1_host(ssl.get(), host.c_str()) == 1 &&
                SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1;
    }
    if (!ready) {
        return fail(ErrorKind::internal, "tls_failed",
                    fmt::format("TLS with {} cannot begin: {}.", peer, library_reason()));
    }
    BIO* bio = make_socket_bio(fd);
    SSL_set_bio(ssl.get(), bio, bio);
    return std::unique_ptr<TlsSession>(new TlsSession(
        std::make_unique<Impl>(std::move(context), std::move(peer), host, std::move(ssl))));
}

Result<Attempt> TlsSession::shake_hands() {
    ERR_clear_error();
    errno = 0;
    const int returned = SSL_connect(impl_->ssl.get());
    if (returned == 1) {
        impl_->whole = true;
        return Attempt{};
    }
    return impl_->attempt(returned);
}

Result<Attempt> TlsSession::read(std::span<char> buffer) {
    ERR_clear_error();
    errno = 0;
    size_t got = 0;
    const int returned = SSL_read_ex(impl_->ssl.get(), buffer.data(), buffer.size(), &got);
    if (returned == 1) {
        return Attempt{.bytes = got};
    }
    return impl_->attempt(returned);
}

Result<Attempt> TlsSession::write(std::string_view bytes) {
    ERR_clear_error();
    errno = 0;
    size_t written = 0;
    const int returned = SSL_write_ex(impl_->ssl.get(), bytes.data(), bytes.size(), &written);
    if (returned == 1) {
        return Attempt{.bytes = written};
    }
    const int error = errno;
    if (SSL_get_error(impl_->ssl.get(), returned) == SSL_ERROR_SYSCALL &&
        (error == EPIPE || error == ECONNRESET)) {
        return Attempt{.peer_closed = true};
    }
    errno = error;
    return impl_->attempt(returned);
}

bool TlsSession::has_data() {
    ERR_clear_error();
    char byte = 0;
    size_t got = 0;
    const int returned = SSL_peek_ex(impl_->ssl.get(), &byte, 1, &got);
    return returned == 1 || SSL_get_error(impl_->ssl.get(), returned) != SSL_ERROR_WANT_READ;
}

}  // namespace rh::io
