#include "api/reconciliations.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/body_digests.h"
#include "api/page_cursor.h"
#include "api/refusal.h"
#include "api/statement_options.h"
#include "base/trim.h"
#include "http/negotiate.h"
#include "http/text.h"
#include "model/upload_id.h"

namespace rh::api {
namespace {

namespace json = boost::json;
using reconcile::Reconciler;
using reconcile::Reconciliation;

constexpr size_t kJsonBodyBytesMax = 64 * 1024;
constexpr size_t kBodyPieceBytes = 256 * 1024;
constexpr unsigned kWaitSecondsMax = 600;
constexpr uint64_t kLimitStandard = 100;
constexpr uint64_t kLimitMax = 10'000;
constexpr std::string_view kListScope = "reconciliations";
constexpr std::string_view kAcceptPost = "application/json, text/csv";

std::string path_of(const Reconciliation& reconciliation) {
    return "/v1/reconciliations/" + reconciliation.id;
}

// {"upload_id": "…"} and nothing else.
Result<model::UploadId> read_upload_id(std::string_view body) {
    boost::system::error_code error;
    const auto value = json::parse(body, error);
    if (error || !value.is_object()) {
        return fail(ErrorKind::invalid_request, "bad_json",
                    R"(The body is no JSON object. Send {"upload_id": "…"}.)");
    }
    for (const auto& [key, ignored] : value.get_object()) {
        if (key != "upload_id") {
            return fail(ErrorKind::invalid_request, "unknown_key",
                        fmt::format("The key {} is not known; the only one is upload_id.",
                                    std::string_view(key)));
        }
    }
    const auto* id = value.get_object().if_contains("upload_id");
    const auto parsed = id != nullptr && id->is_string()
                            ? model::parse_upload_id(std::string_view(id->get_string()))
                            : std::nullopt;
    if (!parsed) {
        return fail(ErrorKind::invalid_request, "bad_upload_id",
                    "upload_id is missing or no UUID. Take the id of an upload as it is.");
    }
    return *parsed;
}

Result<Reconciliation> begin_of_upload(http::Exchange& exchange, Reconciler& reconciler) {
    if (!exchange.request().query.empty()) {
        return fail(ErrorKind::invalid_request, "unknown_parameter",
                    "Query parameters belong to a statement (a CSV body). An upload is reconciled "
                    "whole.");
    }
    RH_ASSIGN(const auto declared, read_digests(exchange.request()));
    RH_ASSIGN(const std::string body, exchange.read_whole_body(kJsonBodyBytesMax));
    BodyDigests digests(declared, /*packed=*/false);
    digests.take_sent(body);
    RH_TRY(digests.check());
    RH_ASSIGN(const auto id, read_upload_id(body));
    return reconciler.submit(id);
}

Result<Reconciliation> begin_of_statement(http::Exchange& exchange, Reconciler& reconciler) {
    const http::Request& request = exchange.request();
    RH_ASSIGN(auto asked, read_statement_options(request));
    const auto packing =
        io::parse_content_encoding(trim_blanks(request.header("content-encoding")));
    if (!packing) {
        return fail(ErrorKind::unsupported, "unsupported_encoding",
                    "Content-Encoding is none of gzip, zstd, identity.");
    }
    RH_ASSIGN(const auto declared, read_digests(request));
    BodyDigests digests(declared, *packing != io::ContentEncoding::none);
    RH_ASSIGN(auto spool, reconciler.spool(*packing, [&digests](std::string_view unpacked) {
        digests.take_unpacked(unpacked);
    }));
    std::string piece(kBodyPieceBytes, '\0');
    while (true) {
        RH_ASSIGN(const size_t got, exchange.read_body(piece));
        if (got == 0) {
            break;
        }
        const std::string_view sent = std::string_view(piece).substr(0, got);
        digests.take_sent(sent);
        RH_TRY(spool.write(sent));
    }
    RH_TRY(spool.check_end());
    RH_TRY(digests.check());
    return reconciler.submit(std::move(spool), std::move(asked.options), std::move(asked.scope));
}

Result<http::Response> respond(http::Exchange& exchange, Reconciler& reconciler) {
    const http::Request& request = exchange.request();
    const std::string type = http::media_type(request.header("content-type"));
    Result<Reconciliation> begun =
        type == "application/json" ? begin_of_upload(exchange, reconciler)
        : type == "text/csv"
            ? begin_of_statement(exchange, reconciler)
            : fail(ErrorKind::unsupported, "unsupported_media_type",
                   fmt::format(R"({} is not taken. Send {{"upload_id": "…"}} as application/json, )"
                               R"(or a statement as text/csv (curl: -H 'Content-Type: text/csv').)",
                               type.empty() ? "A body without Content-Type"
                                            : fmt::format("A body of type {}", type)));
    RH_ASSIGN(Reconciliation reconciliation, std::move(begun));
    http::Headers headers = {{"Location", path_of(reconciliation)}};
    if (const auto seconds = http::preferred_wait_s(request)) {
        const unsigned waited = std::min(*seconds, kWaitSecondsMax);
        RH_ASSIGN(reconciliation, reconciler.wait(reconciliation.id, waited, [&] {
            return exchange.stopping() || !exchange.client_is_there();
        }));
        headers.emplace_back("Preference-Applied", fmt::format("wait={}", waited));
    }
    const bool over = reconciliation.state != reconcile::RunState::running;
    if (!over) {
        headers.emplace_back("Retry-After", "1");
    }
    return http::Response{over ? 200 : 202, "application/json", to_json(reconciliation),
                          std::move(headers)};
}

Result<void> post(http::Exchange& exchange, Reconciler& reconciler) {
    auto response = respond(exchange, reconciler);
    return exchange.send(response ? std::move(*response)
                                  : refusal(response.error(), exchange.request(), kAcceptPost));
}

Result<void> list(http::Exchange& exchange, const Reconciler& reconciler) {
    const http::Request& request = exchange.request();
    RH_ASSIGN(const uint64_t limit,
              http::number_parameter(request, "limit", kLimitStandard, 1, kLimitMax));
    std::optional<Reconciler::Position> after;
    if (const auto cursor = request.query_value("cursor")) {
        RH_ASSIGN(const std::string position, decode_page_cursor(kListScope, *cursor));
        const size_t dot = position.find('.');
        int64_t created_at = 0;
        const auto parsed =
            std::from_chars(position.data(), position.data() + position.size(), created_at);
        if (dot == std::string::npos || parsed.ec != std::errc{}) {
            return fail(ErrorKind::invalid_request, "bad_cursor",
                        "The cursor is damaged; take next_cursor of the page before as it is.");
        }
        after = {created_at, position.substr(dot + 1)};
    }
    RH_ASSIGN(auto found, reconciler.list(limit + 1, after));
    std::string next = "null";
    http::Headers headers;
    if (found.size() > limit) {
        found.pop_back();
        const std::string cursor = encode_page_cursor(
            kListScope, fmt::format("{}.{}", found.back().created_at, found.back().id));
        headers.emplace_back("Link", http::next_link(request, cursor));
        next = fmt::format("\"{}\"", cursor);
    }
    std::string body = "{\"data\":[";
    for (const Reconciliation& reconciliation : found) {
        body += body.back() == '[' ? "" : ",";
        body += to_json(reconciliation);
    }
    body += fmt::format("],\"next_cursor\":{}}}", next);
    return exchange.send({200, "application/json", std::move(body), std::move(headers)});
}

}  // namespace

void add_reconciliation_routes(http::Router& router, Reconciler& reconciler) {
    router.add({"POST", "/v1/reconciliations", http::Scope::reconcile, statement_parameter_names(),
                [&reconciler](http::Exchange& exchange) { return post(exchange, reconciler); },
                true});
    router.add({"GET",
                "/v1/reconciliations",
                http::Scope::read,
                {"limit", "cursor"},
                [&reconciler](http::Exchange& exchange) { return list(exchange, reconciler); }});
    router.add({.method = "GET",
                .pattern = "/v1/reconciliations/{id}",
                .scope = http::Scope::read,
                .query = {},
                .handler = [&reconciler](http::Exchange& exchange) -> Result<void> {
                    RH_ASSIGN(const Reconciliation reconciliation,
                              reconciler.find(exchange.request().parameter("id")));
                    return exchange.send({200, "application/json", to_json(reconciliation), {}});
                },
                .or_scope = http::Scope::reconcile});
    add_discrepancy_route(router, reconciler);
}

}  // namespace rh::api
