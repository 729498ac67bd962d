#include "api/page.h"

#include <fmt/format.h>

namespace rh::api {

std::string html_text(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

http::Response page_response(std::string_view title, std::string_view body) {
    return {.content_type = "text/html; charset=utf-8",
            .body = fmt::format(
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                "<title>{} - roundhouse</title><link rel=\"stylesheet\" href=\"/style.css\">"
                "</head><body><nav><a href=\"/\">roundhouse</a> <a href=\"/docs\">API</a> "
                "<a href=\"/problems\">Problems</a> <a href=\"/openapi.json\">OpenAPI</a></nav>"
                "<main>{}</main></body></html>\n",
                html_text(title), body),
            .headers = {{"Content-Security-Policy",
                         "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'"},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cache-Control", "no-cache"}}};
}

}  // namespace rh::api
