#include "http/header_gate.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/trim.h"
#include "http/text.h"

namespace rh::http {
namespace {

constexpr size_t kMethodBytesMax = 20;
constexpr size_t kLengthDigitsMax = 18;

std::unexpected<Error> refuse(std::string_view code, std::string message) {
    return fail(ErrorKind::invalid_request, std::string(code), std::move(message));
}

bool is_value_character(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool is_host(std::string_view host) {
    return !host.empty() && host.size() <= 255 && std::ranges::all_of(host, [](char c) {
        return is_alphanumeric(c) || std::string_view(".-_:[]%~").contains(c);
    });
}

// "http://host/path" → "/path"; the authority must be the Host header's.
Result<std::string> origin_form(std::string_view target, std::string_view host) {
    const std::string_view after_scheme = target.substr(target.find("//") + 2);
    const size_t path = after_scheme.find_first_of("/?");
    const std::string_view authority = after_scheme.substr(0, path);
    if (!equal_ignoring_case(authority, host)) {
        return refuse("bad_host", "The request target names another host than the Host header.");
    }
    const std::string_view rest =
        path == std::string_view::npos ? std::string_view() : after_scheme.substr(path);
    return rest.starts_with('/') ? std::string(rest) : fmt::format("/{}", rest);
}

Result<void> parse_request_line(std::string_view line, const GateLimits& limits, Head& head) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return refuse("bad_request_line", "The request line is not METHOD TARGET HTTP/1.1.");
    }
    const std::string_view method = line.substr(0, first);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (method.empty() || method.size() > kMethodBytesMax ||
        !std::ranges::all_of(method, is_token_character)) {
        return refuse("bad_request_line", "The method is not an HTTP method.");
    }
    if (target.size() > limits.target_bytes_max) {
        return refuse(
            "target_too_long",
            fmt::format("The request target has {} bytes; at most {} are read. Send fewer "
                        "or shorter parameters.",
                        target.size(), limits.target_bytes_max));
    }
    const bool printable =
        std::ranges::all_of(target, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
    const bool form = target.starts_with('/') || target.starts_with("http://") ||
                      target.starts_with("https://") || (target == "*" && method == "OPTIONS");
    if (!printable || !form) {
        return refuse("bad_request_line",
                      "The request target must begin with / and have no blanks, control characters "
                      "or bytes above 127; percent-encode them.");
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        if (version.starts_with("HTTP/") && version.size() == 8) {
            return fail(ErrorKind::unsupported, "unsupported_http_version",
                        "This server speaks HTTP/1.1 and HTTP/1.0.");
        }
        return refuse("bad_request_line", "The request line does not end in HTTP/1.1.");
    }
    head.method = method;
    head.target = target;
    head.http_1_0 = version == "HTTP/1.0";
    return {};
}

Result<void> parse_header_line(std::string_view line, Head& head) {
    if (line.starts_with(' ') || line.starts_with('\t')) {
        return refuse("folded_header", "A header line begins with a blank; write it on one line.");
    }
    const size_t colon = line.find(':');
    const std::string_view name = line.substr(0, std::min(colon, line.size()));
    if (colon == std::string_view::npos || name.empty() ||
        !std::ranges::all_of(name, is_token_character)) {
        return refuse("bad_header", "A header line is not Name: value.");
    }
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    if (!std::ranges::all_of(value, is_value_character)) {
        return refuse("bad_header",
                      fmt::format("The header {} has a control character in its value.", name));
    }
    head.headers.emplace_back(to_lower(name), value);
    return {};
}

// Headers of which a second one would leave open which is meant.
Result<void> check_single(const Head& head) {
    constexpr std::array<std::string_view, 10> kSingle = {"host",
                                                          "content-length",
                                                          "transfer-encoding",
                                                          "authorization",
                                                          "content-type",
                                                          "content-encoding",
                                                          "expect",
                                                          "idempotency-key",
                                                          "last-event-id",
                                                          "content-disposition"};
    for (const std::string_view name : kSingle) {
        const auto count = std::ranges::count(head.headers, name, &Headers::value_type::first);
        if (count > 1) {
            return refuse(
                "repeated_header",
                fmt::format("The header {} was sent {} times; send it once.", name, count));
        }
    }
    return {};
}

const std::string* value_of(const Head& head, std::string_view name) {
    const auto found = std::ranges::find(head.headers, name, &Headers::value_type::first);
    return found == head.headers.end() ? nullptr : &found->second;
}

Result<void> read_framing(Head& head) {
    const std::string* length = value_of(head, "content-length");
    const std::string* coding = value_of(head, "transfer-encoding");
    if (length != nullptr && coding != nullptr) {
        return refuse("ambiguous_length",
                      "Content-Length and Transfer-Encoding were both sent; send one of them.");
    }
    if (coding != nullptr) {
        if (*coding != "chunked" || head.http_1_0) {
            return refuse("bad_transfer_encoding",
                          "Transfer-Encoding may only be `chunked`, and only in HTTP/1.1.");
        }
        head.chunked = true;
    }
    if (length != nullptr) {
        const bool digits =
            !length->empty() && length->size() <= kLengthDigitsMax &&
            std::ranges::all_of(*length, [](char c) { return c >= '0' && c <= '9'; });
        if (!digits) {
            return refuse("bad_content_length", "Content-Length is not a number of bytes.");
        }
        uint64_t bytes = 0;
        std::from_chars(length->data(), length->data() + length->size(), bytes);
        head.content_length = bytes;
    }
    return {};
}

Result<void> read_connection(Head& head) {
    head.keep_alive = !head.http_1_0;
    const std::string* connection = value_of(head, "connection");
    if (connection != nullptr) {
        head.keep_alive = !has_list_item(*connection, "close") &&
                          (!head.http_1_0 || has_list_item(*connection, "keep-alive"));
    }
    const std::string* expect = value_of(head, "expect");
    if (expect != nullptr && !head.http_1_0) {
        if (!equal_ignoring_case(*expect, "100-continue")) {
            return refuse("expectation_failed", "The only expectation met here is 100-continue.");
        }
        head.expect_continue = true;
    }
    return {};
}

Result<void> read_host(Head& head) {
    const std::string* host = value_of(head, "host");
    if (host == nullptr && !head.http_1_0) {
        return refuse("bad_host", "HTTP/1.1 needs a Host header.");
    }
    if (host != nullptr && !is_host(*host)) {
        return refuse("bad_host", "The Host header is not a host name with an optional port.");
    }
    if (head.target.starts_with("http")) {
        RH_ASSIGN(head.target, origin_form(head.target, host == nullptr ? "" : *host));
    }
    return {};
}

// Lines of one name are one list (RFC 9110, 5.3).
void join_repeated(Head& head) {
    Headers joined;
    for (auto& [name, value] : head.headers) {
        const auto found = std::ranges::find(joined, name, &Headers::value_type::first);
        if (found == joined.end()) {
            joined.emplace_back(std::move(name), std::move(value));
        } else {
            found->second += ", " + value;
        }
    }
    head.headers = std::move(joined);
}

}  // namespace

HeadExtent find_head(std::string_view bytes) {
    const size_t begin = bytes.starts_with("\r\n") ? 2 : 0;
    size_t line = begin;
    while (true) {
        const size_t lf = bytes.find('\n', line);
        if (lf == std::string_view::npos) {
            // A CR can only be the last byte so far, or be followed by its LF.
            const size_t cr = bytes.find('\r', line);
            const bool bare = cr != std::string_view::npos && cr + 1 < bytes.size();
            return {bare ? HeadScan::broken : HeadScan::incomplete, 0};
        }
        if (lf == line || bytes[lf - 1] != '\r' || bytes.find('\r', line) != lf - 1) {
            return {HeadScan::broken, 0};
        }
        if (lf == line + 1) {
            return line == begin ? HeadExtent{HeadScan::broken, 0}
                                 : HeadExtent{HeadScan::complete, lf + 1};
        }
        line = lf + 1;
    }
}

Result<Head> parse_head(std::string_view text, const GateLimits& limits) {
    const HeadExtent extent = find_head(text);
    if (extent.scan != HeadScan::complete || extent.bytes != text.size()) {
        return refuse("bad_request_line",
                      "The request head is not lines that end in CRLF and then an empty line.");
    }
    if (text.starts_with("\r\n")) {
        text.remove_prefix(2);
    }
    Head head;
    bool first = true;
    while (!text.starts_with("\r\n")) {
        const size_t end = text.find("\r\n");
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 2);
        if (first) {
            RH_TRY(parse_request_line(line, limits, head));
            first = false;
            continue;
        }
        if (head.headers.size() == limits.headers_max) {
            return refuse("too_many_headers", fmt::format("More than {} header lines; send fewer.",
                                                          limits.headers_max));
        }
        RH_TRY(parse_header_line(line, head));
    }
    RH_TRY(check_single(head));
    join_repeated(head);
    RH_TRY(read_host(head));
    RH_TRY(read_framing(head));
    RH_TRY(read_connection(head));
    return head;
}

}  // namespace rh::http
