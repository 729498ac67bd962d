// The body of one request, freed of its transfer coding: by Content-Length, or strictly parsed
// chunks (CRLF only, sizes of at most 16 hex digits, extensions and trailers bounded and dropped).
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "http/client_stream.h"
#include "http/header_gate.h"

namespace rh::http {

class BodyReader {
  public:
    // Both must outlive the reader. `bytes_max`: of the decoded body.
    BodyReader(ClientStream& stream, const Head& head, uint64_t bytes_max);

    // 0: the whole body was read. Sends "100 Continue" first if the client waits for it. Errors:
    // body_cut, bad_chunk, body_too_large, request_timeout; each repeats on further calls.
    Result<size_t> read(std::span<char> buffer);

    bool complete() const { return state_ == State::complete; }
    // Known number of bytes that still have to come; nullopt in chunked coding.
    std::optional<uint64_t> remaining() const;
    // The client still waits for "100 Continue", so it may not send its body at all.
    bool continue_pending() const { return continue_pending_; }
    void forget_continue() { continue_pending_ = false; }
    uint64_t bytes_read() const { return bytes_read_; }

  private:
    enum class State : uint8_t { length, chunk_size, chunk_data, complete, failed };
    Result<size_t> read_some(std::span<char> buffer);
    Result<size_t> read_data(std::span<char> buffer);
    Result<void> read_chunk_size();
    Result<std::string> read_line(size_t bytes_max);
    Result<void> skip_trailers();

    ClientStream& stream_;
    uint64_t bytes_max_;
    State state_ = State::complete;
    bool chunked_ = false;
    bool continue_pending_ = false;
    uint64_t remaining_ = 0;  // of the body, or of the current chunk
    uint64_t bytes_read_ = 0;
    Error error_;
};

}  // namespace rh::http
