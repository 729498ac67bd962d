// GET /v1/reconciliations/{id}/discrepancies: JSON by pages; CSV and NDJSON whole, or by pages with
// limit.
#include <array>
#include <string>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/csv_text.h"
#include "api/page_cursor.h"
#include "api/reconciliations.h"
#include "http/negotiate.h"
#include "model/row_batch.h"

namespace rh::api {
namespace {

namespace json = boost::json;
using reconcile::Reconciler;

constexpr uint64_t kLimitStandard = 100;
constexpr uint64_t kLimitMax = 10'000;
constexpr std::array kFormats = {http::kJson, http::kCsv, http::kNdjson};
constexpr std::array<std::string_view, 3> kSides = {"original", "stored", "aggregated"};

std::string csv_header() {
    std::string line = "player_id,game_id,hour,class,other_hour";
    for (const auto side : kSides) {
        line += fmt::format(",{}_rounds", side);
        for (const auto amount : model::kAmountNames) {
            line += fmt::format(",{}_{}", side, amount);
        }
    }
    return line + ",table,provider,game_name\r\n";
}

// The line is one that FindingsWriter wrote.
std::string csv_line(std::string_view finding, bool guard) {
    const auto value = json::parse(finding);
    const auto& object = value.as_object();
    std::string line;
    const auto append = [&](std::string_view column) {
        const auto* field = object.if_contains(column);
        const bool there = field != nullptr && field->is_string();
        append_csv_cell(line, there ? std::string_view(field->get_string()) : "", guard);
    };
    for (const std::string_view column : {"player_id", "game_id", "hour", "class", "other_hour"}) {
        line += column == "player_id" ? "" : ",";
        append(column);
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
    for (const std::string_view column : {"table", "provider", "game_name"}) {
        line += ',';
        append(column);
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
        RH_ASSIGN(guard_, http::boolean_parameter(request, "csv_guard", true));
        RH_ASSIGN(const uint64_t limit,
                  http::number_parameter(request, "limit", kLimitStandard, 1, kLimitMax));
        uint64_t offset = 0;
        if (const auto cursor = request.query_value("cursor")) {
            RH_ASSIGN(offset, decode_offset_cursor(scope(), *cursor));
        }
        if (format_ == 1) {
            headers_.emplace_back("Content-Disposition", http::content_disposition(fmt::format(
                                                             "discrepancies-{}.csv", id_)));
        }
        headers_.emplace_back("Vary", "Accept");
        const bool whole = format_ != 0 && !request.query_value("limit");
        return whole ? send_whole(offset) : send_page(offset, limit);
    }

  private:
    std::string content_type() const {
        return format_ == 1 ? "text/csv; charset=utf-8; header=present"
                            : std::string(kFormats[format_].media_type);
    }
    std::string scope() const { return fmt::format("discrepancies {}", id_); }

    std::string text_of(const reconcile::FindingsPage& page) const {
        std::string text;
        for (const auto& line : page.lines) {
            if (format_ == 0) {
                text += text.empty() ? "" : ",";
                text += line;
            } else {
                text += format_ == 1 ? csv_line(line, guard_) : line + "\n";
            }
        }
        return text;
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
            body += fmt::format("{{\"_end\":{{\"rows\":{},\"next_cursor\":{}}}}}\n",
                                page.lines.size(), next);
        }
        return exchange_.send({200, content_type(), std::move(body), std::move(headers_)});
    }

    Result<void> send_whole(uint64_t offset) {
        RH_ASSIGN(auto page, reconciler_.findings(id_, offset, kLimitMax));
        RH_TRY(exchange_.begin(200, content_type(), headers_));
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
            RH_TRY(exchange_.write(fmt::format("{{\"_end\":{{\"rows\":{}}}}}\n", rows)));
        }
        return exchange_.end();
    }

    http::Exchange& exchange_;
    const Reconciler& reconciler_;
    std::string id_;
    size_t format_ = 0;  // index into kFormats
    bool guard_ = true;
    http::Headers headers_;
};

}  // namespace

void add_discrepancy_route(http::Router& router, const Reconciler& reconciler) {
    router.add({.method = "GET",
                .pattern = "/v1/reconciliations/{id}/discrepancies",
                .scope = http::Scope::read,
                .query = {"limit", "cursor", "format", "csv_guard"},
                .handler =
                    [&reconciler](http::Exchange& exchange) {
                        return DiscrepanciesAnswer(exchange, reconciler).send();
                    },
                .or_scope = http::Scope::reconcile});
}

}  // namespace rh::api
