#include "aggregates/formats.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "aggregates/period.h"
#include "base/json_string.h"
#include "model/row_batch.h"

namespace rh::aggregates {
namespace {

void append_number(std::string& out, uint64_t number) {
    const fmt::format_int digits(number);
    out.append(digits.data(), digits.size());
}

bool is_timed(const Query& query) { return query.granularity != Granularity::total; }

void append_json(std::string& out, const Query& query, const Row& row) {
    out += '{';
    if (query.by_player) {
        out += "\"player_id\":";
        append_json_string(out, row.key.player_id);
        out += ',';
    }
    if (query.by_game) {
        out += "\"game_id\":\"";
        append_number(out, row.key.game_id);
        out += "\",";
    }
    if (is_timed(query)) {
        out += '"';
        out += name(query.granularity);
        out += "\":\"";
        append_period(out, query.granularity, row.key.period);
        out += "\",";
    }
    out += "\"rounds\":";
    append_number(out, row.rounds);
    for (size_t i = 0; i < row.sums.size(); ++i) {
        out += ",\"";
        out += model::kAmountNames[i];
        out += "\":\"";
        model::append(out, row.sums[i]);
        out += '"';
    }
    out += '}';
}

std::string cursor_json(const Envelope& envelope) {
    return envelope.next_cursor ? '"' + *envelope.next_cursor + '"' : "null";
}

std::string count_json(const Envelope& envelope) {
    return envelope.count ? fmt::format(",\"count\":{}", *envelope.count) : "";
}

std::string partial_json(const Envelope& envelope) {
    std::string list;
    for (const std::string& shard : envelope.missing_shards) {
        list += list.empty() ? "" : ",";
        append_json_string(list, shard);
    }
    return list.empty() ? "" : fmt::format(R"(,"partial":{{"missing_shards":[{}]}})", list);
}

// -12.5e3 and the like: a spreadsheet reads it as the number it is.
bool is_number(std::string_view text) {
    const auto digits = [&] {
        size_t count = 0;
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++count) {
            text.remove_prefix(1);
        }
        return count;
    };
    const auto skip = [&](std::string_view any_of) {
        const bool there = !text.empty() && any_of.contains(text.front());
        text.remove_prefix(there ? 1 : 0);
        return there;
    };
    skip("+-");
    size_t count = digits();
    if (skip(".")) {
        count += digits();
    }
    if (count > 0 && skip("eE")) {
        skip("+-");
        count = digits();
    }
    return count > 0 && text.empty();
}

bool needs_quotes(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; });
}

void append_cell(std::string& out, std::string_view text, bool guard) {
    constexpr std::string_view kFormulaStarts = "=+-@\t\r";
    const bool guarded =
        guard && !text.empty() && kFormulaStarts.contains(text.front()) && !is_number(text);
    if (!needs_quotes(text)) {
        out += guarded ? "'" : "";
        out += text;
        return;
    }
    out += guarded ? "\"'" : "\"";
    for (const char c : text) {
        out += c;
        if (c == '"') {
            out += c;
        }
    }
    out += '"';
}

}  // namespace

std::string_view content_type(Format format) {
    switch (format) {
        case Format::json:
            return "application/json";
        case Format::csv:
            return "text/csv; charset=utf-8; header=present";
        case Format::ndjson:
            return "application/x-ndjson";
    }
    return {};
}

std::string json_page(const Query& query, std::span<const Row> rows, const Envelope& envelope) {
    std::string out = "{\"data\":[";
    for (const Row& row : rows) {
        out += &row == rows.data() ? "" : ",";
        append_json(out, query, row);
    }
    fmt::format_to(std::back_inserter(out), "],\"next_cursor\":{},\"version\":{}{}{}}}",
                   cursor_json(envelope), envelope.version, count_json(envelope),
                   partial_json(envelope));
    return out;
}

std::string csv_header(const Query& query) {
    std::string out;
    out += query.by_player ? "player_id," : "";
    out += query.by_game ? "game_id," : "";
    if (is_timed(query)) {
        out += name(query.granularity);
        out += ',';
    }
    out += "rounds";
    for (const std::string_view amount : model::kAmountNames) {
        out += ',';
        out += amount;
    }
    return out + "\r\n";
}

void append_csv(std::string& out, const Query& query, const Row& row, bool guard) {
    if (query.by_player) {
        append_cell(out, row.key.player_id, guard);
        out += ',';
    }
    if (query.by_game) {
        append_number(out, row.key.game_id);
        out += ',';
    }
    if (is_timed(query)) {
        append_period(out, query.granularity, row.key.period);
        out += ',';
    }
    append_number(out, row.rounds);
    for (const model::MoneySum& sum : row.sums) {
        out += ',';
        model::append(out, sum);
    }
    out += "\r\n";
}

void append_ndjson(std::string& out, const Query& query, const Row& row) {
    append_json(out, query, row);
    out += '\n';
}

std::string ndjson_end(uint64_t rows, const Envelope& envelope) {
    return fmt::format("{{\"_end\":{{\"rows\":{},\"version\":{},\"next_cursor\":{}{}{}}}}}\n", rows,
                       envelope.version, cursor_json(envelope), count_json(envelope),
                       partial_json(envelope));
}

}  // namespace rh::aggregates
