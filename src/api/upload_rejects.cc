// GET /v1/uploads/{id}/rejects: JSON by pages; CSV (one line a fault) and NDJSON (one line a row)
// whole, or by pages with limit.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "api/csv_text.h"
#include "api/page_cursor.h"
#include "api/uploads.h"
#include "http/negotiate.h"
#include "model/row_batch.h"
#include "uploads/reject_file.h"

namespace rh::api {
namespace {

using http::Exchange;
using uploads::RejectReader;
using uploads::StoredReject;

constexpr std::array kFormats = {http::kJson, http::kCsv, http::kNdjson};
constexpr size_t kJsonIndex = 0;
constexpr size_t kCsvIndex = 1;
constexpr uint64_t kLimitDefault = 100;
constexpr uint64_t kLimitMax = 10'000;
constexpr size_t kStreamedRows = 1000;
constexpr std::string_view kCsvHeader = "line,line_last,row,column,code,value,detail\r\n";

void append_csv(std::string& out, const model::Reject& reject, bool guard) {
    for (const model::Fault& fault : reject.faults) {
        out += fmt::format("{},{},{},", reject.line, reject.line_last, reject.row);
        out += fault.column < 0 ? std::string_view()
                                : model::kColumnNames[static_cast<size_t>(fault.column)];
        out += fmt::format(",{},", model::name(fault.code));
        append_csv_cell(out, fault.value, guard);
        out += ',';
        append_csv_cell(out, fault.detail, guard);
        out += "\r\n";
    }
}

class RejectsAnswer {
  public:
    RejectsAnswer(const UploadDependencies& dependencies, Exchange& exchange)
        : dependencies_(dependencies), exchange_(exchange) {}

    Result<void> send() {
        const http::Request& request = exchange_.request();
        RH_ASSIGN(format_, http::negotiate(request, kFormats));
        RH_ASSIGN(guard_, http::boolean_parameter(request, "csv_guard", true));
        RH_ASSIGN(const uint64_t limit,
                  http::number_parameter(request, "limit", kLimitDefault, 1, kLimitMax));
        RH_ASSIGN(const uploads::Upload upload, find_upload(dependencies_, request));
        RH_TRY(dependencies_.layout.check_held_here(upload));
        scope_ = "rejects\n" + model::to_string(upload.id);
        uint64_t offset = 0;
        if (const auto cursor = request.query_value("cursor")) {
            RH_ASSIGN(offset, decode_offset_cursor(scope_, *cursor));
        }
        RH_ASSIGN(RejectReader reader,
                  RejectReader::open(dependencies_.layout.rejects(upload.id), offset));
        headers_ = {{"Cache-Control", "no-store"}, {"Vary", "Accept"}};
        if (format_ == kCsvIndex) {
            headers_.emplace_back(
                "Content-Disposition",
                http::content_disposition(fmt::format(
                    "{}-rejects.csv", upload.request.filename.empty() ? model::to_string(upload.id)
                                                                      : upload.request.filename)));
        }
        return format_ == kJsonIndex || request.query_value("limit") ? send_page(reader, limit)
                                                                     : send_whole(reader);
    }

  private:
    std::string lines_of(const std::vector<StoredReject>& page) const {
        std::string text;
        for (const StoredReject& stored : page) {
            if (format_ == kCsvIndex) {
                append_csv(text, stored.reject, guard_);
            } else {
                text += stored.json + "\n";
            }
        }
        return text;
    }

    Result<void> send_page(RejectReader& reader, uint64_t limit) {
        std::vector<StoredReject> page;
        RH_TRY(reader.next(limit, page));
        RH_ASSIGN(const bool end, reader.at_end());
        std::string next = "null";
        if (!end) {
            const std::string cursor =
                encode_page_cursor(scope_, fmt::to_string(reader.next_offset()));
            headers_.emplace_back("Link", http::next_link(exchange_.request(), cursor));
            next = fmt::format("\"{}\"", cursor);
        }
        http::Response response{.content_type = content_type(), .headers = std::move(headers_)};
        if (format_ == kJsonIndex) {
            response.body = "{\"data\":[";
            for (size_t i = 0; i < page.size(); ++i) {
                response.body += i == 0 ? "" : ",";
                response.body += page[i].json;
            }
            response.body += fmt::format("],\"next_cursor\":{}}}", next);
        } else {
            response.body = format_ == kCsvIndex ? std::string(kCsvHeader) : std::string();
            response.body += lines_of(page);
            if (format_ != kCsvIndex) {
                response.body += fmt::format("{{\"_end\":{{\"rows\":{},\"next_cursor\":{}}}}}\n",
                                             page.size(), next);
            }
        }
        return exchange_.send(std::move(response));
    }

    Result<void> send_whole(RejectReader& reader) {
        std::vector<StoredReject> page;
        RH_TRY(reader.next(kStreamedRows, page));
        RH_TRY(exchange_.begin(200, content_type(), headers_));
        if (format_ == kCsvIndex) {
            RH_TRY(exchange_.write(kCsvHeader));
        }
        uint64_t rows = 0;
        while (!page.empty()) {
            rows += page.size();
            RH_TRY(exchange_.write(lines_of(page)));
            RH_TRY(reader.next(kStreamedRows, page));
        }
        if (format_ != kCsvIndex) {
            RH_TRY(exchange_.write(fmt::format("{{\"_end\":{{\"rows\":{}}}}}\n", rows)));
        }
        return exchange_.end();
    }

    std::string content_type() const {
        return format_ == kCsvIndex ? "text/csv; charset=utf-8; header=present"
                                    : std::string(kFormats[format_].media_type);
    }

    const UploadDependencies& dependencies_;
    Exchange& exchange_;
    size_t format_ = 0;
    bool guard_ = true;
    std::string scope_;
    http::Headers headers_;
};

}  // namespace

void add_upload_reject_routes(http::Router& router, const UploadDependencies& dependencies) {
    router.add({.method = "GET",
                .pattern = "/v1/uploads/{id}/rejects",
                .scope = http::Scope::read,
                .query = {"limit", "cursor", "format", "csv_guard"},
                .handler =
                    [dependencies](Exchange& exchange) {
                        return RejectsAnswer(dependencies, exchange).send();
                    },
                .or_scope = http::Scope::upload});
}

}  // namespace rh::api
