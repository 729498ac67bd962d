#include "api/home.h"

#include <utility>

#include <fmt/format.h>

#include "api/page.h"
#include "base/utf8.h"
#include "http/text.h"
#include "model/timestamp.h"

namespace rh::api {
namespace {

constexpr size_t kUploadsShown = 50;

constexpr std::string_view kHowTo =
    "<h1>roundhouse</h1><p>Every accepted row is counted exactly once, every refused row is "
    "explained, and anyone can check it.</p><pre>"
    "curl --data-binary @rounds.csv -H 'Content-Type: text/csv' -H 'Prefer: wait=60' "
    "'http://HOST/v1/uploads?filename=rounds.csv'\n"
    "curl 'http://HOST/v1/aggregates?player_id=PLAYER&amp;granularity=day'\n"
    "curl -d '{\"upload_id\":\"ID\"}' -H 'Content-Type: application/json' -H 'Prefer: wait=60' "
    "http://HOST/v1/reconciliations</pre>";

std::string with_host(std::string_view text, std::string_view host) {
    std::string result(text);
    for (size_t at = 0; (at = result.find("HOST", at)) != std::string::npos; at += host.size()) {
        result.replace(at, 4, host);
    }
    return result;
}

std::string row_of(const uploads::Upload& upload) {
    const std::string id = to_string(upload.id);
    const std::string rejected =
        upload.rows.rejected == 0
            ? "0"
            : fmt::format("<a href=\"/v1/uploads/{}/rejects\">{}</a>", id, upload.rows.rejected);
    return fmt::format(
        "<tr><td><a href=\"/v1/uploads/{}\">{}</a></td><td>{}</td><td class=\"number\">{}</td>"
        "<td class=\"number\">{}</td><td>{}</td><td><a "
        "href=\"/v1/uploads/{}/original\">original</a>"
        "</td></tr>",
        id,
        html_text(upload.request.filename.empty() ? id : to_valid_utf8(upload.request.filename)),
        upload.voided_version ? "stored, voided" : uploads::name(upload.state),
        upload.rows.accepted, rejected, model::format_rfc3339(upload.created_at), id);
}

Result<void> send_home(http::Exchange& exchange, const uploads::Ledger& ledger, bool open) {
    const std::string_view host = exchange.request().header("host");
    std::string body = with_host(kHowTo, html_text(host.empty() ? "127.0.0.1:8080" : host));
    if (!open) {
        body +=
            "<p>This server needs an API key for everything under /v1: "
            "<code>-H 'Authorization: Bearer rh_…'</code>.</p>";
        return exchange.send(page_response("Start", body));
    }
    uploads::Ledger::ListFilter filter;
    filter.limit = kUploadsShown;
    RH_ASSIGN(const auto newest, ledger.list(filter));
    std::string rows;
    for (const uploads::Upload& upload : newest) {
        rows += row_of(upload);
    }
    body += "<h2>Newest uploads</h2>";
    body += rows.empty() ? "<p>There are none yet.</p>"
                         : fmt::format(
                               "<table><thead><tr><th>file</th><th>state</th><th>accepted</th>"
                               "<th>rejected</th><th>created</th><th></th></tr></thead><tbody>{}"
                               "</tbody></table>",
                               rows);
    return exchange.send(page_response("Start", body));
}

}  // namespace

void add_home_route(http::Router& router, const uploads::Ledger& ledger,
                    std::function<bool()> open) {
    router.add({.method = "GET",
                .pattern = "/",
                .scope = http::Scope::none,
                .query = {},
                .handler = [&ledger, open = std::move(open)](http::Exchange& exchange) {
                    return send_home(exchange, ledger, open());
                }});
}

}  // namespace rh::api
