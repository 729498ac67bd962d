// A blocking HTTP/1.1 client: connections are kept and used again, every wait has a deadline, and
// bodies of any size flow both ways piece by piece. Any thread may send; one response is used by
// one thread. A status of 4xx or 5xx is an answer, not an Error; an Error means that no whole
// answer came (the codes of io/stream.h, or http_protocol_error, http_body_cut), except that the
// caller's own body source may fail with an Error of its own. No redirects, no compression.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/tls.h"

namespace rh::io {

struct HttpClientOptions {
    std::string host = "127.0.0.1";
    uint16_t port = 80;
    int connect_timeout_ms = 5'000;
    int write_timeout_ms = 60'000;  // without progress
    int read_timeout_ms = 60'000;   // without a byte
    // A kept connection that was idle for longer is not used again: the peer may be closing it.
    int idle_ms_max = 5'000;
    size_t idle_connections_max = 8;
    std::shared_ptr<const TlsContext> tls = {};  // none: plain HTTP
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method = "GET";
    std::string target = "/";  // path and query, percent-encoded
    // Host, Content-Length and Transfer-Encoding are added; a CR or LF in any is refused.
    HttpHeaders headers = {};
    // The body, one of: pieces in memory (sent with Content-Length) …
    std::span<const std::string_view> body = {};
    // … or pulled: each call gives the next bytes, valid until the next call; an empty view ends
    // it. Sent chunked, or with Content-Length if `body_bytes` says how long it is.
    std::function<Result<std::string_view>()> next_body = {};
    std::optional<uint64_t> body_bytes = {};
    // Overrides the client's, for requests that are known to take long before the first byte.
    std::optional<int> read_timeout_ms = {};
};

class HttpResponse {
  public:
    ~HttpResponse();  // the connection is kept if the body was read to its end
    HttpResponse(const HttpResponse&) = delete;
    HttpResponse& operator=(const HttpResponse&) = delete;

    int status() const;
    // The first header of that name (any case), or an empty view.
    std::string_view header(std::string_view name) const;
    HttpHeaders headers() const;
    // The next bytes of the body, valid until the next call; an empty view at its true end. A body
    // that ends early is an Error.
    Result<std::string_view> next();
    // The rest of the body; too_large http_body_too_large beyond `bytes_max`.
    Result<std::string> read_all(size_t bytes_max = 64U << 20);

  private:
    friend class HttpClient;
    struct Impl;
    explicit HttpResponse(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class HttpClient {
  public:
    explicit HttpClient(HttpClientOptions options);
    ~HttpClient();
    HttpClient(HttpClient&&) noexcept;

    // Ends every request that runs, with an Error as if the peer had closed the connection, and
    // every later one, before it begins, with unavailable stopping. Any thread.
    void abort() const;

    // Returns when the head of the answer is there, interim ones (1xx) skipped. A peer that answers
    // before it has taken the whole body is heard: its answer is returned. A GET or HEAD whose kept
    // connection turns out to be dead is sent once more on a new one; nothing else is repeated.
    Result<std::unique_ptr<HttpResponse>> send(const HttpRequest& request) const;
    const HttpClientOptions& options() const;

  private:
    friend class HttpResponse;
    class Busy;
    struct Pool;
    std::shared_ptr<Pool> pool_;  // shared with the responses that give their connection back
};

// Percent-encodes everything but the unreserved characters of RFC 3986.
std::string percent_encode(std::string_view text);

}  // namespace rh::io
