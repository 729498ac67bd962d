// The hashes by which the sides of a comparison tell rows and keys apart, as SQL that gives the
// same number on all of them for equal values of equal types. Texts go through SipHash and
// everything through CityHash of those and a number, all keyed with secrets drawn anew for each
// reconciliation: which values collide changes from run to run, and nobody can choose them. Pure
// but for the drawing.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rh::reconcile {

struct HashKey {
    std::string city, sip_low, sip_high;  // literals of UInt64
};
HashKey draw_hash_key();

// Of an expression of type String or LowCardinality(String).
std::string text_hash_sql(const HashKey& key, std::string_view text);
// Of expressions of numbers, decimals and text hashes, in their order.
std::string hash_sql(const HashKey& key, std::span<const std::string> values);

// Expressions of a row's columns, as one side names them.
struct RowColumns {
    std::string instance, player, game, game_name, provider;
    std::string amounts;  // four, parted by commas
};
// Of every column but created_timestamp (RowMark::content).
std::string content_sql(const HashKey& key, const RowColumns& columns);
// Of rows as a whole, whatever their order: a sum of these, modulo 2^64. `content` as above, the
// time in ms since 1970 as an Int64.
std::string row_digest_sql(const HashKey& key, std::string_view content, std::string_view ms);

}  // namespace rh::reconcile
