#include "http/response_head.h"

#include <array>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "base/clock.h"

namespace rh::http {
namespace {

struct Reason {
    int status;
    std::string_view phrase;
};
constexpr std::array kReasons = {
    Reason{200, "OK"},
    Reason{201, "Created"},
    Reason{202, "Accepted"},
    Reason{204, "No Content"},
    Reason{206, "Partial Content"},
    Reason{303, "See Other"},
    Reason{304, "Not Modified"},
    Reason{400, "Bad Request"},
    Reason{401, "Unauthorized"},
    Reason{403, "Forbidden"},
    Reason{404, "Not Found"},
    Reason{405, "Method Not Allowed"},
    Reason{406, "Not Acceptable"},
    Reason{408, "Request Timeout"},
    Reason{409, "Conflict"},
    Reason{410, "Gone"},
    Reason{411, "Length Required"},
    Reason{413, "Content Too Large"},
    Reason{414, "URI Too Long"},
    Reason{415, "Unsupported Media Type"},
    Reason{416, "Range Not Satisfiable"},
    Reason{417, "Expectation Failed"},
    Reason{422, "Unprocessable Content"},
    Reason{429, "Too Many Requests"},
    Reason{431, "Request Header Fields Too Large"},
    Reason{500, "Internal Server Error"},
    Reason{503, "Service Unavailable"},
    Reason{505, "HTTP Version Not Supported"},
    Reason{507, "Insufficient Storage"},
};

// "Sun, 06 Nov 1994 08:49:37 GMT", in English whatever the locale is.
std::string http_date(int64_t ms) {
    constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t seconds = ms / 1000;
    std::tm t{};
    ::gmtime_r(&seconds, &t);
    return fmt::format(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<size_t>(t.tm_wday)], t.tm_mday,
        kMonths[static_cast<size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

void add_header(std::string& head, std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        head += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    head += "\r\n";
}

}  // namespace

std::string_view reason_phrase(int status) {
    for (const Reason& reason : kReasons) {
        if (reason.status == status) {
            return reason.phrase;
        }
    }
    return "";
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

std::string response_head(int status, std::string_view content_type, const Headers& headers,
                          const Framing& framing, std::string_view trace_id) {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
    add_header(head, "Date", http_date(now_ms()));
    add_header(head, "Server", "roundhouse");
    if (!content_type.empty() && !has_no_body(status)) {
        add_header(head, "Content-Type", content_type);
    }
    if (framing.chunked) {
        add_header(head, "Transfer-Encoding", "chunked");
    } else if (framing.content_length) {
        add_header(head, "Content-Length", fmt::to_string(*framing.content_length));
    }
    for (const auto& [name, value] : headers) {
        add_header(head, name, value);
    }
    add_header(head, "X-Content-Type-Options", "nosniff");
    add_header(head, "X-Trace-Id", trace_id);
    if (framing.close) {
        add_header(head, "Connection", "close");
    } else if (framing.http_1_0) {
        add_header(head, "Connection", "keep-alive");
    }
    head += "\r\n";
    return head;
}

}  // namespace rh::http
