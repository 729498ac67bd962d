#include "io/http_client.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "io/stream.h"

namespace rh::io {
namespace {

namespace http = boost::beast::http;

constexpr size_t kPieceBytes = 128 * 1024;
constexpr uint32_t kHeaderBytesMax = 64 * 1024;

using Parser = http::response_parser<http::buffer_body>;

// What Beast reads from: a Stream whose Error is kept, since Beast passes on error codes only.
struct BeastStream {
    Stream stream;
    int timeout_ms;
    std::optional<Error> failure;

    template <class Buffers>
    size_t read_some(const Buffers& buffers, boost::system::error_code& code) {
        const boost::asio::mutable_buffer first = *boost::asio::buffer_sequence_begin(buffers);
        auto got = stream.read_some({static_cast<char*>(first.data()), first.size()}, timeout_ms);
        if (!got) {
            failure = std::move(got).error();
            code = boost::asio::error::connection_aborted;
            return 0;
        }
        if (*got == 0 && first.size() > 0) {
            code = boost::asio::error::eof;
        }
        return *got;
    }
    // Beast's concept of a stream asks for this form too; it is never called.
    template <class Buffers>
    size_t read_some(const Buffers& buffers) {
        boost::system::error_code code;
        return read_some(buffers, code);
    }
};

bool is_clean(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool is_repeatable(const HttpRequest& request) {
    return (request.method == "GET" || request.method == "HEAD") && !request.next_body;
}

Result<std::string> request_head(const HttpClientOptions& options, const HttpRequest& request) {
    bool clean = is_clean(request.method) && is_clean(request.target) &&
                 request.target.find(' ') == std::string::npos;
    const bool v6 = options.host.find(':') != std::string::npos;
    std::string head =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}{}{}:{}\r\n", request.method, request.target,
                    v6 ? "[" : "", options.host, v6 ? "]" : "", options.port);
    for (const auto& [name, value] : request.headers) {
        clean = clean && is_clean(name) && is_clean(value);
        head += fmt::format("{}: {}\r\n", name, value);
    }
    if (!clean) {
        return fail(ErrorKind::invalid_request, "bad_http_header",
                    "A line break stands in a header or in the address of a request.");
    }
    if (request.next_body) {
        head += request.body_bytes ? fmt::format("Content-Length: {}\r\n", *request.body_bytes)
                                   : "Transfer-Encoding: chunked\r\n";
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        uint64_t bytes = 0;
        for (const std::string_view piece : request.body) {
            bytes += piece.size();
        }
        head += fmt::format("Content-Length: {}\r\n", bytes);
    }
    head += "\r\n";
    return head;
}

}  // namespace

struct HttpClient::Pool {
    struct Idle {
        Stream stream;
        int64_t since_ms;
    };

    explicit Pool(HttpClientOptions o) : options(std::move(o)) {}

    std::optional<Stream> take() {
        const std::lock_guard lock(mutex);
        while (!idle.empty()) {
            Idle entry = std::move(idle.back());
            idle.pop_back();
            if (monotonic_ms() - entry.since_ms <= options.idle_ms_max && entry.stream.is_idle()) {
                return std::move(entry.stream);
            }
        }
        return std::nullopt;
    }
    bool is_aborted() {
        const std::lock_guard lock(mutex);
        return aborted;
    }
    void give(Stream stream) {
        const std::lock_guard lock(mutex);
        if (idle.size() >= options.idle_connections_max) {
            idle.erase(idle.begin());
        }
        idle.push_back({std::move(stream), monotonic_ms()});
    }

    const HttpClientOptions options;
    std::mutex mutex;
    std::vector<Idle> idle;  // guarded by mutex, as all below; the freshest last
    std::set<Stream*> busy;
    bool aborted = false;
};

// A stream that abort() can reach for as long as this lives.
class HttpClient::Busy {
  public:
    Busy(std::shared_ptr<Pool> pool, Stream& stream) : pool_(std::move(pool)), stream_(stream) {
        const std::lock_guard lock(pool_->mutex);
        pool_->busy.insert(&stream_);
        if (pool_->aborted) {
            stream_.cut();
        }
    }
    ~Busy() {
        const std::lock_guard lock(pool_->mutex);
        pool_->busy.erase(&stream_);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

  private:
    const std::shared_ptr<Pool> pool_;
    Stream& stream_;
};

struct HttpResponse::Impl {
    std::shared_ptr<HttpClient::Pool> pool;
    BeastStream stream;
    std::optional<HttpClient::Busy> busy;
    bool keep = true;  // false once the connection cannot be used again
    boost::beast::flat_buffer buffer;
    std::unique_ptr<Parser> parser;
    std::vector<char> piece = std::vector<char>(kPieceBytes);

    Impl(std::shared_ptr<HttpClient::Pool> p, Stream s, int timeout_ms)
        : pool(std::move(p)), stream{std::move(s), timeout_ms, {}} {
        busy.emplace(pool, stream.stream);
    }

    // What went wrong, in the words of the layer that knows.
    std::unexpected<Error> read_error(const boost::system::error_code& code) {
        keep = false;
        if (stream.failure) {
            return std::unexpected(std::move(*stream.failure));
        }
        if (code == http::error::end_of_stream || code == http::error::partial_message) {
            const bool in_body = parser && parser->is_header_done();
            return fail(ErrorKind::unavailable, in_body ? "http_body_cut" : "connection_closed",
                        fmt::format("{} closed the connection {}.", stream.stream.peer(),
                                    in_body ? "in the middle of its answer" : "without an answer"),
                        Verdict::retry);
        }
        return fail(
            ErrorKind::unavailable, "http_protocol_error",
            fmt::format("{} did not answer in HTTP/1.1: {}.", stream.stream.peer(), code.message()),
            Verdict::retry);
    }

    Result<void> read_head(bool head_request) {
        do {
            parser = std::make_unique<Parser>();
            parser->header_limit(kHeaderBytesMax);
            parser->body_limit(boost::none);
            parser->skip(head_request);
            boost::system::error_code error;
            http::read_header(stream, buffer, *parser, error);
            if (error) {
                return read_error(error);
            }
        } while (parser->get().result_int() < 200);
        return {};
    }

    Result<void> send(const HttpRequest& request, const std::string& head) {
        RH_ASSIGN(bool more, write(head));
        if (!request.next_body) {
            for (size_t i = 0; more && i < request.body.size(); ++i) {
                RH_ASSIGN(more, write(request.body[i]));
            }
            return {};
        }
        uint64_t sent = 0;
        while (more) {
            RH_ASSIGN(const std::string_view bytes, request.next_body());
            sent += bytes.size();
            if (request.body_bytes &&
                (bytes.empty() ? sent != *request.body_bytes : sent > *request.body_bytes)) {
                return fail(ErrorKind::internal, "http_body_length",
                            "The body of a request is not as long as it was said to be.");
            }
            if (request.body_bytes) {
                RH_ASSIGN(more, write(bytes));
            } else {
                // In three writes: a chunk may be megabytes, and is not copied for its frame.
                RH_ASSIGN(more, write(fmt::format("{:x}\r\n", bytes.size()), Follows::yes));
                RH_ASSIGN(more, more ? write(bytes, Follows::yes) : more);
                RH_ASSIGN(more, more ? write("\r\n") : more);
            }
            if (bytes.empty()) {
                return {};
            }
        }
        return {};
    }

    // False when the peer answers, or closes, before it has taken everything.
    Result<bool> write(std::string_view bytes, Follows follows = Follows::no) {
        RH_ASSIGN(const Stream::Sent sent,
                  stream.stream.write_all(bytes, pool->options.write_timeout_ms, follows));
        keep = keep && sent == Stream::Sent::all;
        return sent == Stream::Sent::all;
    }
};

HttpResponse::HttpResponse(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpResponse::~HttpResponse() {
    if (impl_->keep && impl_->parser && impl_->parser->is_done() && impl_->parser->keep_alive() &&
        impl_->buffer.size() == 0) {
        impl_->busy.reset();
        impl_->pool->give(std::move(impl_->stream.stream));
    }
}

int HttpResponse::status() const { return static_cast<int>(impl_->parser->get().result_int()); }

std::string_view HttpResponse::header(std::string_view name) const {
    const auto& fields = impl_->parser->get();
    const auto found = fields.find(boost::string_view(name.data(), name.size()));
    if (found == fields.end()) {
        return {};
    }
    return {found->value().data(), found->value().size()};
}

HttpHeaders HttpResponse::headers() const {
    HttpHeaders headers;
    for (const auto& field : impl_->parser->get()) {
        headers.emplace_back(field.name_string(), field.value());
    }
    return headers;
}

Result<std::string_view> HttpResponse::next() {
    auto& body = impl_->parser->get().body();
    while (!impl_->parser->is_done()) {
        body.data = impl_->piece.data();
        body.size = impl_->piece.size();
        body.more = true;
        boost::system::error_code error;
        http::read_some(impl_->stream, impl_->buffer, *impl_->parser, error);
        if (error && error != http::error::need_buffer) {
            return impl_->read_error(error);
        }
        if (const size_t got = impl_->piece.size() - body.size; got > 0) {
            return std::string_view(impl_->piece.data(), got);
        }
    }
    return std::string_view();
}

Result<std::string> HttpResponse::read_all(size_t bytes_max) {
    std::string all;
    while (true) {
        RH_ASSIGN(const std::string_view bytes, next());
        if (bytes.empty()) {
            return all;
        }
        if (all.size() + bytes.size() > bytes_max) {
            return fail(ErrorKind::too_large, "http_body_too_large",
                        fmt::format("{} sent an answer of more than {} bytes.",
                                    impl_->stream.stream.peer(), bytes_max));
        }
        all += bytes;
    }
}

HttpClient::HttpClient(HttpClientOptions options)
    : pool_(std::make_shared<Pool>(std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
void HttpClient::abort() const {
    const std::lock_guard lock(pool_->mutex);
    pool_->aborted = true;
    for (Stream* stream : pool_->busy) {
        stream->cut();
    }
}
const HttpClientOptions& HttpClient::options() const { return pool_->options; }

Result<std::unique_ptr<HttpResponse>> HttpClient::send(const HttpRequest& request) const {
    RH_ASSIGN(const std::string head, request_head(pool_->options, request));
    std::optional<Stream> kept = pool_->take();
    while (true) {
        if (pool_->is_aborted()) {
            return fail(ErrorKind::unavailable, "stopping",
                        "Requests are not sent any more: the program is stopping.", Verdict::retry);
        }
        const bool reused = kept.has_value();
        if (!kept) {
            RH_ASSIGN(kept, Stream::connect(pool_->options.host, pool_->options.port,
                                            pool_->options.connect_timeout_ms));
            if (pool_->options.tls) {
                RH_TRY(kept->start_tls(pool_->options.tls, pool_->options.host,
                                       pool_->options.connect_timeout_ms));
            }
        }
        auto impl = std::make_unique<HttpResponse::Impl>(
            pool_, std::move(*kept),
            request.read_timeout_ms.value_or(pool_->options.read_timeout_ms));
        kept.reset();
        Result<void> done = impl->send(request, head);
        if (done) {
            done = impl->read_head(request.method == "HEAD");
        }
        if (done) {
            return std::unique_ptr<HttpResponse>(new HttpResponse(std::move(impl)));
        }
        if (!reused || !is_repeatable(request) || done.error().code != "connection_closed") {
            return std::unexpected(std::move(done).error());
        }
    }
}

std::string percent_encode(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return encoded;
}

}  // namespace rh::io
