#include "api/aggregates.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "aggregates/cursor.h"
#include "aggregates/formats.h"
#include "aggregates/parameters.h"
#include "aggregates/reader.h"
#include "http/negotiate.h"

namespace rh::api {
namespace {

using aggregates::Format;

// In the order of aggregates::Format.
constexpr std::array kOffers = {http::kJson, http::kCsv, http::kNdjson};

constexpr size_t kPieceBytes = 256 * 1024;  // of a whole answer, to be sent at once

// Changes whenever the same rows would be written as other bytes, so that old ETags die.
constexpr int kRepresentation = 1;

struct Question {
    aggregates::Asked asked;
    Format format = Format::json;
    uint64_t version = 0;
    std::optional<aggregates::Key> after;

    bool whole() const { return format != Format::json && !asked.limit; }
    uint64_t limit() const { return asked.limit.value_or(aggregates::kLimitDefault); }
};

using CurrentVersion = std::function<Result<uint64_t>(bool partial)>;

Result<Question> read_question(const http::Request& request, const CurrentVersion& newest) {
    Question question;
    RH_ASSIGN(question.asked, aggregates::parse_parameters(request.query));
    RH_ASSIGN(const uint64_t current_version, newest(question.asked.partial));
    RH_ASSIGN(const size_t offer, http::negotiate(request, kOffers));
    question.format = static_cast<Format>(offer);
    question.version = question.asked.query.as_of.value_or(current_version);
    if (!question.asked.cursor.empty()) {
        RH_ASSIGN(aggregates::Cursor cursor,
                  aggregates::decode_cursor(question.asked.cursor, question.asked.query));
        question.version = cursor.version;
        question.after = std::move(cursor.after);
    }
    if (question.version > current_version) {
        return fail(ErrorKind::invalid_request, "unknown_version",
                    fmt::format("There is no version {} yet; the newest is {}.", question.version,
                                current_version));
    }
    return question;
}

std::string etag_of(const Question& question) {
    const aggregates::Asked& asked = question.asked;
    return http::strong_etag(fmt::format(
        "{}.{}.{:016x}.{}{}{}{}.{}", kRepresentation, question.version,
        aggregates::fingerprint(asked.query), kOffers[static_cast<size_t>(question.format)].name,
        asked.exact_count ? ".count" : "", asked.csv_guard ? "" : ".bare",
        question.whole() ? ".whole" : fmt::format(".{}", question.limit()), asked.cursor));
}

http::Headers common_headers(const Question& question, const std::string& etag) {
    return {{"ETag", etag},
            {"Cache-Control", "private, no-cache"},
            {"Vary", "Accept"},
            {"X-Roundhouse-Version", std::to_string(question.version)}};
}

class Answer {
  public:
    Answer(http::Exchange& exchange, const clickhouse::Store& store, const Question& question)
        : exchange_(exchange), store_(store), reader_(store), question_(question) {
        envelope_.version = question.version;
    }

    Result<void> send() {
        const std::string etag = etag_of(question_);
        headers_ = common_headers(question_, etag);
        if (http::matches_etag(exchange_.request().header("if-none-match"), etag)) {
            return exchange_.send({304, "", "", std::move(headers_)});
        }
        if (question_.asked.exact_count) {
            RH_ASSIGN(envelope_.count, reader_.count(query(), question_.version));
            headers_.emplace_back("X-Total-Count", std::to_string(*envelope_.count));
        }
        if (question_.format == Format::csv) {
            headers_.emplace_back(
                "Content-Disposition",
                http::content_disposition(fmt::format("aggregates-v{}.csv", question_.version)));
        }
        return question_.whole() ? send_whole() : send_page();
    }

  private:
    const aggregates::Query& query() const { return question_.asked.query; }

    void append(std::string& text, const aggregates::Row& row) const {
        if (question_.format == Format::csv) {
            append_csv(text, query(), row, question_.asked.csv_guard);
        } else {
            append_ndjson(text, query(), row);
        }
    }
    std::string text_of(const aggregates::Page& page) const {
        std::string text;
        for (const aggregates::Row& row : page.rows) {
            append(text, row);
        }
        return text;
    }

    // An answer without some shards is no representation that could be asked for again.
    void mark_partial(const std::vector<size_t>& missing) {
        std::string list;
        for (const size_t shard : missing) {
            envelope_.missing_shards.push_back(store_.address(shard));
            list += (list.empty() ? "" : ", ") + envelope_.missing_shards.back();
        }
        if (list.empty()) {
            return;
        }
        std::erase_if(headers_, [](const auto& header) {
            return header.first == "ETag" || header.first == "Cache-Control";
        });
        headers_.emplace_back("Cache-Control", "no-store");
        headers_.emplace_back("X-Roundhouse-Missing-Shards", list);
    }

    Result<void> send_page() {
        RH_ASSIGN(const aggregates::Page page,
                  reader_.page(query(), question_.version, question_.after, question_.limit(),
                               {.without = {}, .partial = question_.asked.partial}));
        mark_partial(page.missing);
        if (page.more) {
            envelope_.next_cursor =
                aggregates::encode_cursor({question_.version, page.rows.back().key}, query());
            headers_.emplace_back("Link",
                                  http::next_link(exchange_.request(), *envelope_.next_cursor));
        }
        std::string body;
        switch (question_.format) {
            case Format::json:
                body = aggregates::json_page(query(), page.rows, envelope_);
                break;
            case Format::csv:
                body = aggregates::csv_header(query()) + text_of(page);
                break;
            case Format::ndjson:
                body = text_of(page) + aggregates::ndjson_end(page.rows.size(), envelope_);
                break;
        }
        return exchange_.send({200, std::string(aggregates::content_type(question_.format)),
                               std::move(body), std::move(headers_)});
    }

    // An error in what the first piece is made of comes before the status, and a later one cuts the
    // body. What the first piece lacks, all lack.
    Result<void> send_whole() {
        RH_ASSIGN(const auto rows, reader_.rows(query(), question_.version, question_.after,
                                                question_.asked.partial));
        mark_partial(rows->missing());
        std::string text =
            question_.format == Format::csv ? aggregates::csv_header(query()) : std::string();
        text.reserve(kPieceBytes + kPieceBytes / 4);
        uint64_t count = 0;
        while (true) {
            RH_ASSIGN(const aggregates::Row* row, rows->next());
            if (row == nullptr) {
                break;
            }
            append(text, *row);
            ++count;
            if (text.size() >= kPieceBytes) {
                RH_TRY(write(text));
                text.clear();
                if (exchange_.stopping()) {
                    return fail(ErrorKind::unavailable, "shutting_down",
                                "The server is shutting down. Ask again.", Verdict::retry);
                }
            }
        }
        if (question_.format == Format::ndjson) {
            text += aggregates::ndjson_end(count, envelope_);
        }
        RH_TRY(write(text));
        return exchange_.end();
    }

    // Of a whole answer.
    Result<void> write(std::string_view text) {
        if (!std::exchange(begun_, true)) {
            RH_TRY(exchange_.begin(200, aggregates::content_type(question_.format), headers_));
        }
        return exchange_.write(text);
    }

    http::Exchange& exchange_;
    const clickhouse::Store& store_;
    const aggregates::Reader reader_;
    const Question& question_;
    aggregates::Envelope envelope_;
    http::Headers headers_;
    bool begun_ = false;
};

}  // namespace

void add_aggregates_routes(http::Router& router, const clickhouse::Store& store,
                           std::function<Result<uint64_t>(bool partial)> current_version,
                           std::function<Result<void>(uint64_t version)> check_complete) {
    router.add(
        {"GET", "/v1/aggregates", http::Scope::read, aggregates::parameter_names(),
         [&store, current_version = std::move(current_version),
          check_complete = std::move(check_complete)](http::Exchange& exchange) -> Result<void> {
             RH_ASSIGN(const Question question, read_question(exchange.request(), current_version));
             RH_TRY(check_complete(question.version));
             return Answer(exchange, store, question).send();
         }});
}

}  // namespace rh::api
