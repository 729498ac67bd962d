// Rows of an answer as JSON, CSV and NDJSON text. All three carry the same values: ids as strings,
// counts as numbers, amounts as exact decimals without trailing zeros. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregates/query.h"

namespace rh::aggregates {

enum class Format : uint8_t { json, csv, ndjson };
std::string_view content_type(Format format);

// What stands around the rows.
struct Envelope {
    uint64_t version = 0;
    std::optional<std::string> next_cursor;
    std::optional<uint64_t> count;                 // of all pages together
    std::vector<std::string> missing_shards = {};  // addresses; empty: the answer is whole
};

// {"data":[…],"next_cursor":…,"version":…} and "count" if it was asked for, and
// "partial":{"missing_shards":[…]} if rows of a shard are not in it.
std::string json_page(const Query& query, std::span<const Row> rows, const Envelope& envelope);

// CSV as RFC 4180 has it, lines ended by CRLF. With `guard`, a player_id that a spreadsheet would
// take for a formula (it begins with = + - @ and is no number) is written after an apostrophe.
std::string csv_header(const Query& query);
void append_csv(std::string& out, const Query& query, const Row& row, bool guard);

void append_ndjson(std::string& out, const Query& query, const Row& row);
// {"_end":{"rows":…,"version":…,"next_cursor":…}} with count and partial as above: a client that
// has not seen it has not seen all.
std::string ndjson_end(uint64_t rows, const Envelope& envelope);

}  // namespace rh::aggregates
