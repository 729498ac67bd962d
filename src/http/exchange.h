// One request and its answer, as a handler sees them. Handlers are plain blocking functions on a
// worker thread: idle connections and request heads are waited for asynchronously and cost no
// thread (http/server.cc). An Exchange lives for one handler call and is used by that thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rh::http {

enum class Scope : uint8_t { none, upload, read, reconcile, admin };

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method;
    std::string path;                                        // decoded, without query
    std::string target;                                      // as sent, in origin form
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; valid UTF-8
    Headers headers;                                         // names in lower case
    std::vector<std::pair<std::string, std::string>> path_parameters;  // of the route's {name}s
    std::string trace_id;                                              // 32 hex digits
    std::string peer;
    std::string key_id;  // of the API key; empty without keys

    std::string_view header(std::string_view lower_case_name) const;           // empty if absent
    bool has_header(std::string_view lower_case_name) const;                   // perhaps empty
    std::string_view parameter(std::string_view name) const;                   // of the path
    std::optional<std::string_view> query_value(std::string_view name) const;  // the first
    std::vector<std::string> query_values(std::string_view name) const;
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body = {};
    Headers headers = {};
};

class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual const Request& request() const = 0;

    // The body, decoded of transfer coding only. 0 bytes: the end. Errors: too_large
    // body_too_large, invalid_request body_cut (the client went away or sent less than it said)
    // or bad_chunk, unavailable request_timeout.
    virtual Result<size_t> read_body(std::span<char> buffer) = 0;
    virtual std::optional<uint64_t> content_length() const = 0;
    // The whole body of at most `bytes_max`; more is body_too_large.
    virtual Result<std::string> read_whole_body(size_t bytes_max) = 0;

    // Exactly one of: send() once; or begin() and write()* and end(). A handler that returns an
    // Error before either gets it sent as problem+json; after begin() the connection is cut without
    // the last chunk. begin() with a header Content-Length needs exactly that many bytes; without
    // one the answer is chunked. The answer to HEAD has no body: write() then does nothing, so a
    // handler whose answer has no natural end must look at request().method.
    virtual Result<void> send(Response response) = 0;
    virtual Result<void> begin(int status, std::string_view content_type,
                               const Headers& headers) = 0;
    virtual Result<void> write(std::string_view bytes) = 0;  // Error: the client is gone
    virtual Result<void> end() = 0;
    virtual bool stopping() const = 0;  // the server is shutting down: long answers end now
    // False once the client is known to have closed its side; for handlers that wait.
    virtual bool client_is_there() const { return true; }
};

}  // namespace rh::http
