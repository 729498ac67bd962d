#include "aggregates/formats.h"

#include <iterator>

#include <fmt/format.h>

#include "aggregates/period.h"
#include "base/json_string.h"
#include "model/row_batch.h"

namespace rh::aggregates {
namespace {

bool is_timed(const Query& query) { return query.granularity != Granularity::total; }

void append_json(std::string& out, const Query& query, const Row& row) {
    out += '{';
    if (query.by_player) {
        out += "\"player_id\":";
        append_json_string(out, row.key.player_id);
        out += ',';
    }
    const auto to = std::back_inserter(out);
    if (query.by_game) {
        fmt::format_to(to, "\"game_id\":\"{}\",", row.key.game_id);
    }
    if (is_timed(query)) {
        fmt::format_to(to, "\"{}\":\"{}\",", name(query.granularity),
                       period_text(query.granularity, row.key.period));
    }
    fmt::format_to(to, "\"rounds\":{}", row.rounds);
    for (size_t i = 0; i < row.sums.size(); ++i) {
        fmt::format_to(to, ",\"{}\":\"{}\"", model::kAmountNames[i], model::to_string(row.sums[i]));
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

void append_cell(std::string& out, std::string_view text, bool guard) {
    constexpr std::string_view kFormulaStarts = "=+-@\t\r";
    const bool guarded =
        guard && !text.empty() && kFormulaStarts.contains(text.front()) && !is_number(text);
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
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
    const auto to = std::back_inserter(out);
    if (query.by_game) {
        fmt::format_to(to, "{},", row.key.game_id);
    }
    if (is_timed(query)) {
        fmt::format_to(to, "{},", period_text(query.granularity, row.key.period));
    }
    fmt::format_to(to, "{}", row.rounds);
    for (const model::MoneySum& sum : row.sums) {
        out += ',';
        out += model::to_string(sum);
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
