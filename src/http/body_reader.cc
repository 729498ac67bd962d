#include "http/body_reader.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <fmt/format.h>

namespace rh::http {
namespace {

constexpr size_t kChunkLineBytesMax = 256;
constexpr size_t kTrailerBytesMax = 8 * 1024;
constexpr size_t kChunkDigitsMax = 16;

std::unexpected<Error> bad_chunk() {
    return fail(ErrorKind::invalid_request, "bad_chunk",
                "The chunked body is malformed; nothing of it is kept.");
}

}  // namespace

BodyReader::BodyReader(ClientStream& stream, const Head& head, uint64_t bytes_max)
    : stream_(stream),
      bytes_max_(bytes_max),
      state_(head.chunked      ? State::chunk_size
             : head.has_body() ? State::length
                               : State::complete),
      chunked_(head.chunked),
      continue_pending_(head.expect_continue && head.has_body()),
      remaining_(head.content_length.value_or(0)) {}

Result<size_t> BodyReader::read(std::span<char> buffer) {
    if (state_ == State::failed) {
        return std::unexpected(error_);
    }
    auto got = read_some(buffer);
    if (!got) {
        state_ = State::failed;
        error_ = got.error();
    }
    return got;
}

std::optional<uint64_t> BodyReader::remaining() const {
    if (state_ == State::complete) {
        return 0;
    }
    return chunked_ || state_ == State::failed ? std::nullopt : std::optional(remaining_);
}

Result<size_t> BodyReader::read_some(std::span<char> buffer) {
    if (state_ == State::complete || buffer.empty()) {
        return 0;
    }
    if (!chunked_ && bytes_read_ == 0 && remaining_ > bytes_max_) {
        return fail(
            ErrorKind::too_large, "body_too_large",
            fmt::format("The body has {} bytes; at most {} are read.", remaining_, bytes_max_));
    }
    if (continue_pending_) {
        continue_pending_ = false;
        RH_TRY(stream_.write("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (state_ == State::chunk_size) {
        RH_TRY(read_chunk_size());
        if (state_ == State::complete) {
            return 0;
        }
    }
    return read_data(buffer);
}

Result<size_t> BodyReader::read_data(std::span<char> buffer) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer.size(), remaining_));
    RH_ASSIGN(const size_t got, stream_.read(buffer.first(wanted)));
    if (got == 0) {
        return fail(ErrorKind::invalid_request, "body_cut",
                    fmt::format("The connection ended after {} bytes of the body; nothing of it is "
                                "kept. Send it again.",
                                bytes_read_));
    }
    remaining_ -= got;
    bytes_read_ += got;
    if (remaining_ == 0 && chunked_) {
        RH_TRY(read_line(0));
        state_ = State::chunk_size;
    } else if (remaining_ == 0) {
        state_ = State::complete;
    }
    return got;
}

Result<void> BodyReader::read_chunk_size() {
    RH_ASSIGN(const std::string line, read_line(kChunkLineBytesMax));
    const size_t digits = line.find_first_not_of("0123456789abcdefABCDEF");
    const size_t length = digits == std::string::npos ? line.size() : digits;
    const bool extension = digits == std::string::npos || line[digits] == ';';
    if (length == 0 || length > kChunkDigitsMax || !extension) {
        return bad_chunk();
    }
    uint64_t size = 0;
    std::from_chars(line.data(), line.data() + length, size, 16);
    if (size > bytes_max_ - bytes_read_) {
        return fail(ErrorKind::too_large, "body_too_large",
                    fmt::format("The body is larger than the {} bytes that are read.", bytes_max_));
    }
    remaining_ = size;
    state_ = State::chunk_data;
    if (size == 0) {
        RH_TRY(skip_trailers());
        state_ = State::complete;
    }
    return {};
}

Result<void> BodyReader::skip_trailers() {
    size_t left = kTrailerBytesMax;
    while (true) {
        RH_ASSIGN(const std::string line, read_line(left));
        if (line.empty()) {
            return {};
        }
        left -= line.size();
    }
}

Result<std::string> BodyReader::read_line(size_t bytes_max) {
    std::string line;
    while (true) {
        RH_ASSIGN(const char c, stream_.read_byte());
        if (c == '\r') {
            RH_ASSIGN(const char next, stream_.read_byte());
            if (next != '\n') {
                return bad_chunk();
            }
            return line;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (line.size() == bytes_max || (byte < 0x20 && c != '\t') || byte == 0x7f) {
            return bad_chunk();
        }
        line += c;
    }
}

}  // namespace rh::http
