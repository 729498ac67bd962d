#include "http/multipart.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/trim.h"
#include "base/utf8.h"
#include "http/text.h"

namespace rh::http {
namespace {

constexpr size_t kBoundaryBytesMax = 70;
constexpr size_t kPreambleBytesMax = 8 * 1024;
constexpr size_t kHeaderBytesMax = 8 * 1024;
constexpr size_t kFillBytes = 64 * 1024;

std::unexpected<Error> bad_multipart(std::string message) {
    return fail(ErrorKind::invalid_request, "bad_multipart", std::move(message));
}

}  // namespace

MultipartReader::MultipartReader(std::string boundary, Source source)
    : delimiter_("\r\n--" + std::move(boundary)), source_(std::move(source)), buffer_("\r\n") {}

Result<MultipartReader> MultipartReader::open(std::string_view content_type, Source source) {
    auto boundary = header_parameter(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax) {
        return bad_multipart("The Content-Type multipart/form-data names no boundary.");
    }
    return MultipartReader(std::move(*boundary), std::move(source));
}

Result<bool> MultipartReader::fill() {
    const size_t had = buffer_.size();
    buffer_.resize(had + kFillBytes);
    const auto got = source_(std::span(buffer_).subspan(had));
    buffer_.resize(had + got.value_or(0));
    if (!got) {
        return std::unexpected(got.error());
    }
    return *got > 0;
}

Result<void> MultipartReader::need(size_t bytes) {
    while (buffer_.size() < bytes) {
        RH_ASSIGN(const bool more, fill());
        if (!more) {
            return bad_multipart("The multipart body ends before its closing boundary.");
        }
    }
    return {};
}

Result<void> MultipartReader::skip_to_delimiter(size_t bytes_max) {
    size_t skipped = 0;
    while (true) {
        const size_t at = buffer_.find(delimiter_);
        if (at != std::string::npos) {
            buffer_.erase(0, at + delimiter_.size());
            return {};
        }
        const size_t keep = std::min(buffer_.size(), delimiter_.size() - 1);
        skipped += buffer_.size() - keep;
        buffer_.erase(0, buffer_.size() - keep);
        if (skipped > bytes_max) {
            return bad_multipart("The multipart body does not begin with its boundary.");
        }
        RH_TRY(need(buffer_.size() + 1));
    }
}

Result<size_t> MultipartReader::read(std::span<char> buffer) {
    if (!in_part_ || buffer.empty()) {
        return 0;
    }
    while (true) {
        const size_t at = buffer_.find(delimiter_);
        // Without the delimiter, all but what could be its beginning is the part's.
        const size_t whole = buffer_.size() - std::min(buffer_.size(), delimiter_.size() - 1);
        const size_t available = at == std::string::npos ? whole : at;
        if (available > 0) {
            const size_t bytes = std::min(available, buffer.size());
            std::memcpy(buffer.data(), buffer_.data(), bytes);
            buffer_.erase(0, bytes);
            return bytes;
        }
        if (at == 0) {
            buffer_.erase(0, delimiter_.size());
            in_part_ = false;
            return 0;
        }
        RH_TRY(need(buffer_.size() + 1));
    }
}

Result<std::optional<MultipartReader::Part>> MultipartReader::next_part() {
    if (finished_) {
        return std::nullopt;
    }
    if (!started_) {
        started_ = true;
        RH_TRY(skip_to_delimiter(kPreambleBytesMax));
    }
    std::array<char, 16 * 1024> rest{};
    while (in_part_) {
        RH_TRY(read(rest));
    }
    RH_TRY(need(2));
    if (buffer_.starts_with("--")) {
        finished_ = true;
        RH_TRY(drain());
        return std::nullopt;
    }
    RH_ASSIGN(Part part, read_headers());
    in_part_ = true;
    return part;
}

Result<void> MultipartReader::drain() {
    bool more = true;
    while (more) {
        buffer_.clear();
        RH_ASSIGN(more, fill());
    }
    return {};
}

// After a delimiter: blanks, CRLF, header lines, an empty line.
Result<MultipartReader::Part> MultipartReader::read_headers() {
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (buffer_.size() > kHeaderBytesMax) {
            break;
        }
        RH_TRY(need(buffer_.size() + 1));
    }
    if (end == std::string::npos || end > kHeaderBytesMax) {
        return bad_multipart("The headers of a part are longer than 8192 bytes.");
    }
    const std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    const size_t first_line = head.find("\r\n");
    if (!trim_blanks(std::string_view(head).substr(0, first_line)).empty()) {
        return bad_multipart("A boundary is followed by something else than a line end.");
    }
    Part part;
    bool disposition = false;
    std::string_view lines = std::string_view(head).substr(first_line + 2);
    while (!lines.empty()) {
        const size_t line_end = lines.find("\r\n");
        const std::string_view line = lines.substr(0, line_end);
        lines.remove_prefix(line_end + 2);
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) {
            return bad_multipart("A header of a part is not Name: value.");
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trim_blanks(line.substr(colon + 1));
        if (equal_ignoring_case(name, "content-disposition")) {
            disposition = media_type(value) == "form-data";
            part.name = to_valid_utf8(header_parameter(value, "name").value_or(""));
            if (const auto filename = header_parameter(value, "filename")) {
                part.filename = safe_filename(*filename);
            }
        } else if (equal_ignoring_case(name, "content-type")) {
            part.content_type = media_type(value);
        } else if (equal_ignoring_case(name, "content-transfer-encoding") &&
                   !equal_ignoring_case(value, "binary") && !equal_ignoring_case(value, "8bit") &&
                   !equal_ignoring_case(value, "7bit")) {
            return bad_multipart("Content-Transfer-Encoding of a part must be binary.");
        }
    }
    if (!disposition) {
        return bad_multipart("A part has no Content-Disposition: form-data.");
    }
    return part;
}

}  // namespace rh::http
