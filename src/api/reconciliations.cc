#include "api/reconciliations.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/page_cursor.h"
#include "api/statement_options.h"
#include "http/negotiate.h"
#include "http/text.h"
#include "model/row_batch.h"
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
constexpr std::array kFormats = {http::kJson, http::kCsv, http::kNdjson};
constexpr std::array<std::string_view, 3> kSides = {"original", "stored", "aggregated"};

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
    RH_ASSIGN(const std::string body, exchange.read_whole_body(kJsonBodyBytesMax));
    RH_ASSIGN(const auto id, read_upload_id(body));
    return reconciler.submit(id);
}

Result<Reconciliation> begin_of_statement(http::Exchange& exchange, Reconciler& reconciler) {
    const http::Request& request = exchange.request();
    RH_ASSIGN(auto asked, read_statement_options(request));
    const auto packing = reconcile::parse_packing(
        http::to_lower(http::trim_blanks(request.header("content-encoding"))));
    if (!packing) {
        return fail(ErrorKind::unsupported, "unsupported_content_encoding",
                    "Content-Encoding may be gzip or zstd, or be left out.");
    }
    RH_ASSIGN(auto spool, reconciler.spool(*packing));
    std::string piece(kBodyPieceBytes, '\0');
    while (true) {
        RH_ASSIGN(const size_t got, exchange.read_body(piece));
        if (got == 0) {
            break;
        }
        RH_TRY(spool.write(std::string_view(piece).substr(0, got)));
    }
    return reconciler.submit(std::move(spool), std::move(asked.options), std::move(asked.scope));
}

Result<void> post(http::Exchange& exchange, Reconciler& reconciler) {
    const http::Request& request = exchange.request();
    const std::string type = http::media_type(request.header("content-type"));
    Result<Reconciliation> begun =
        type == "application/json" ? begin_of_upload(exchange, reconciler)
        : type == "text/csv"
            ? begin_of_statement(exchange, reconciler)
            : fail(ErrorKind::unsupported, "unsupported_media_type",
                   R"(Send application/json ({"upload_id": "…"}) or a statement as text/csv.)");
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
    return exchange.send(
        {over ? 200 : 202, "application/json", to_json(reconciliation), std::move(headers)});
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

// RFC 4180; what a spreadsheet would run as a formula gets a ' before it.
std::string csv_field(std::string_view text) {
    const bool formula = !text.empty() && std::string_view("=+-@\t\r").contains(text[0]);
    std::string field = formula ? "'" : "";
    field += text;
    if (field.find_first_of("\",\r\n") == std::string::npos) {
        return field;
    }
    std::string quoted = "\"";
    for (const char c : field) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

std::string csv_header() {
    std::string line = "player_id,game_id,hour,class,other_hour";
    for (const auto side : kSides) {
        line += fmt::format(",{}_rounds", side);
        for (const auto amount : model::kAmountNames) {
            line += fmt::format(",{}_{}", side, amount);
        }
    }
    return line + "\r\n";
}

// The line is one that FindingsWriter wrote.
std::string csv_line(std::string_view finding) {
    const auto value = json::parse(finding);
    const auto& object = value.as_object();
    std::string line;
    for (const std::string_view column : {"player_id", "game_id", "hour", "class", "other_hour"}) {
        const auto* field = object.if_contains(column);
        line += column == "player_id" ? "" : ",";
        line += field != nullptr ? csv_field(field->as_string()) : "";
    }
    for (const auto side : kSides) {
        const auto* figures = object.at(side).if_object();
        line += ',';
        line += figures != nullptr ? json::serialize(figures->at("rounds")) : "";
        for (const auto amount : model::kAmountNames) {
            line += ',';
            line += figures != nullptr ? std::string_view(figures->at(amount).as_string()) : "";
        }
    }
    return line + "\r\n";
}

class DiscrepanciesAnswer {
  public:
    DiscrepanciesAnswer(http::Exchange& exchange, const Reconciler& reconciler)
        : exchange_(exchange), reconciler_(reconciler), id_(exchange.request().parameter("id")) {}

    Result<void> send() {
        const http::Request& request = exchange_.request();
        RH_ASSIGN(format_, http::negotiate(request, kFormats));
        RH_ASSIGN(const uint64_t limit,
                  http::number_parameter(request, "limit", kLimitStandard, 1, kLimitMax));
        uint64_t offset = 0;
        if (const auto cursor = request.query_value("cursor")) {
            RH_ASSIGN(const std::string position, decode_page_cursor(scope(), *cursor));
            std::from_chars(position.data(), position.data() + position.size(), offset);
        }
        if (format_ == 1) {
            headers_.emplace_back("Content-Disposition",
                                  http::content_disposition(fmt::format("{}.csv", id_)));
        }
        headers_.emplace_back("Vary", "Accept, Accept-Encoding");
        const bool whole = format_ != 0 && !request.query_value("limit");
        return whole ? send_whole(offset) : send_page(offset, limit);
    }

  private:
    std::string scope() const { return fmt::format("discrepancies {}", id_); }

    std::string text_of(const reconcile::FindingsPage& page) const {
        std::string text;
        for (const auto& line : page.lines) {
            if (format_ == 0) {
                text += text.empty() ? "" : ",";
                text += line;
            } else {
                text += format_ == 1 ? csv_line(line) : line + "\n";
            }
        }
        return text;
    }

    static std::string ndjson_end(uint64_t rows) {
        return fmt::format("{{\"_end\":{{\"rows\":{}}}}}\n", rows);
    }

    Result<void> send_page(uint64_t offset, uint64_t limit) {
        RH_ASSIGN(const auto page, reconciler_.findings(id_, offset, limit));
        std::string next = "null";
        if (!page.at_end) {
            const std::string cursor =
                encode_page_cursor(scope(), std::to_string(page.next_offset));
            headers_.emplace_back("Link", http::next_link(exchange_.request(), cursor));
            next = fmt::format("\"{}\"", cursor);
        }
        std::string body = text_of(page);
        if (format_ == 0) {
            body = fmt::format("{{\"data\":[{}],\"next_cursor\":{}}}", body, next);
        } else if (format_ == 1) {
            body = csv_header() + body;
        } else {
            body += ndjson_end(page.lines.size());
        }
        return exchange_.send(
            {200, std::string(kFormats[format_].media_type), std::move(body), std::move(headers_)});
    }

    Result<void> send_whole(uint64_t offset) {
        RH_ASSIGN(auto page, reconciler_.findings(id_, offset, kLimitMax));
        RH_TRY(exchange_.begin(200, kFormats[format_].media_type, headers_));
        if (format_ == 1) {
            RH_TRY(exchange_.write(csv_header()));
        }
        uint64_t rows = 0;
        while (true) {
            rows += page.lines.size();
            if (!page.lines.empty()) {
                RH_TRY(exchange_.write(text_of(page)));
            }
            if (page.at_end) {
                break;
            }
            RH_ASSIGN(page, reconciler_.findings(id_, page.next_offset, kLimitMax));
        }
        if (format_ == 2) {
            RH_TRY(exchange_.write(ndjson_end(rows)));
        }
        return exchange_.end();
    }

    http::Exchange& exchange_;
    const Reconciler& reconciler_;
    std::string id_;
    size_t format_ = 0;  // index into kFormats
    http::Headers headers_;
};

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
    router.add({"GET",
                "/v1/reconciliations/{id}",
                http::Scope::read,
                {},
                [&reconciler](http::Exchange& exchange) -> Result<void> {
                    RH_ASSIGN(const Reconciliation reconciliation,
                              reconciler.find(exchange.request().parameter("id")));
                    return exchange.send({200, "application/json", to_json(reconciliation), {}});
                }});
    router.add({"GET",
                "/v1/reconciliations/{id}/discrepancies",
                http::Scope::read,
                {"limit", "cursor", "format"},
                [&reconciler](http::Exchange& exchange) {
                    return DiscrepanciesAnswer(exchange, reconciler).send();
                }});
}

}  // namespace rh::api
