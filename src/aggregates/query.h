// What is asked of the aggregates, in full: filter, granularity, grouping and order. A Query says
// nothing about pages, formats or the version it is answered at. Pure values, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/money.h"

namespace rh::aggregates {

enum class Granularity : uint8_t { hour, day, month, total };
inline constexpr std::array<std::string_view, 4> kGranularityNames = {"hour", "day", "month",
                                                                      "total"};
constexpr std::string_view name(Granularity granularity) {
    return kGranularityNames[static_cast<size_t>(granularity)];
}

// player: player_id, game_id, time. game: game_id, player_id, time. time: time, player_id, game_id;
// latest: the same with the newest time first. Fields that are not grouped by are left out.
enum class Order : uint8_t { player, game, time, latest };
inline constexpr std::array<std::string_view, 4> kOrderNames = {"player", "game", "time", "-time"};
constexpr std::string_view name(Order order) { return kOrderNames[static_cast<size_t>(order)]; }

inline constexpr int kOffsetHoursMin = -12;
inline constexpr int kOffsetHoursMax = 14;

struct Query {
    std::vector<std::string> player_ids;  // ascending, each once; empty: all
    std::vector<uint64_t> game_ids;       // ascending, each once; empty: all
    std::optional<int64_t> from_ms;       // whole UTC hours; half-open [from, to)
    std::optional<int64_t> to_ms;
    Granularity granularity = Granularity::hour;
    int offset_hours = 0;           // of the time zone whose days and months are meant
    std::optional<uint64_t> as_of;  // a version; none: the current one
    bool by_player = true;          // group_by
    bool by_game = true;
    Order order = Order::player;
};

// Identifies a row of the answer. Fields that the query does not group by are empty or 0. `period`
// is numbered as aggregates/period.h says.
struct Key {
    std::string player_id;
    uint64_t game_id = 0;
    int64_t period = 0;
    bool operator==(const Key&) const = default;
};

struct Row {
    Key key;
    uint64_t rounds = 0;
    std::array<model::MoneySum, 4> sums;  // indexed by model::Amount

    void add(const Row& row);  // of the same key
};

// The fields of a key in the order of the answer.
enum class KeyField : uint8_t { player, game, period };
std::vector<KeyField> key_fields(const Query& query);

// Whether `a` comes before `b` in the answer, as ClickHouse orders them; `fields` as key_fields()
// gives them.
bool comes_before(const Query& query, std::span<const KeyField> fields, const Key& a, const Key& b);

// The orders this query can be answered in without sorting more than its own rows, the default
// first. An order is in the list if a rollup's key is sorted by it, or if the query reads only
// named players, or no players at all.
std::vector<Order> possible_orders(const Query& query);

// The same for two queries that ask the same, whatever the order and number of repeated values.
// Cursors and ETags are bound to it.
uint64_t fingerprint(const Query& query);

}  // namespace rh::aggregates
