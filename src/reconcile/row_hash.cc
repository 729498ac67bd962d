#include "reconcile/row_hash.h"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/random.h"

namespace rh::reconcile {

HashKey draw_hash_key() {
    const auto literal = [] { return fmt::format("toUInt64(0x{})", random_hex(2)); };
    return {literal(), literal(), literal()};
}

std::string text_hash_sql(const HashKey& key, std::string_view text) {
    return fmt::format("sipHash64Keyed(({}, {}), {})", key.sip_low, key.sip_high, text);
}

std::string hash_sql(const HashKey& key, std::span<const std::string> values) {
    return fmt::format("cityHash64({}, {})", key.city, fmt::join(values, ", "));
}

std::string content_sql(const HashKey& key, const RowColumns& columns) {
    const std::array<std::string, 6> values = {columns.instance,
                                               text_hash_sql(key, columns.player),
                                               columns.game,
                                               columns.amounts,
                                               text_hash_sql(key, columns.game_name),
                                               text_hash_sql(key, columns.provider)};
    return hash_sql(key, values);
}

std::string row_digest_sql(const HashKey& key, std::string_view content, std::string_view ms) {
    const std::array<std::string, 2> values = {std::string(content), std::string(ms)};
    return hash_sql(key, values);
}

}  // namespace rh::reconcile
