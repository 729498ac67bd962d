#include "aggregates/query.h"

#include <compare>

#include <fmt/format.h>
#include <xxhash.h>

namespace rh::aggregates {

void Row::add(const Row& row) {
    rounds += row.rounds;
    for (size_t i = 0; i < sums.size(); ++i) {
        sums[i].micros += row.sums[i].micros;
    }
}

std::vector<KeyField> key_fields(const Query& query) {
    const bool timed = query.granularity != Granularity::total;
    std::vector<KeyField> fields;
    const auto add = [&](KeyField field, bool wanted) {
        if (wanted) {
            fields.push_back(field);
        }
    };
    const bool time_first = query.order == Order::time || query.order == Order::latest;
    add(KeyField::period, timed && time_first);
    add(KeyField::game, query.by_game && query.order == Order::game);
    add(KeyField::player, query.by_player);
    add(KeyField::game, query.by_game && query.order != Order::game);
    add(KeyField::period, timed && !time_first);
    return fields;
}

bool comes_before(const Query& query, std::span<const KeyField> fields, const Key& a,
                  const Key& b) {
    for (const KeyField field : fields) {
        std::strong_ordering order = std::strong_ordering::equal;
        switch (field) {
            case KeyField::player:
                order = a.player_id <=> b.player_id;  // by bytes, as ClickHouse
                break;
            case KeyField::game:
                order = a.game_id <=> b.game_id;
                break;
            case KeyField::period:
                order =
                    query.order == Order::latest ? b.period <=> a.period : a.period <=> b.period;
                break;
        }
        if (order != std::strong_ordering::equal) {
            return order == std::strong_ordering::less;
        }
    }
    return false;
}

std::vector<Order> possible_orders(const Query& query) {
    std::vector<Order> orders;
    if (query.by_player) {
        orders.push_back(Order::player);
    }
    if (query.by_game) {
        orders.push_back(Order::game);
    }
    const bool few_rows = !query.by_player || !query.player_ids.empty();
    if (few_rows && (query.granularity != Granularity::total || orders.empty())) {
        orders.push_back(Order::time);
        orders.push_back(Order::latest);
    }
    return orders;
}

uint64_t fingerprint(const Query& query) {
    // Every part has its length or a delimiter, so no two queries have the same text.
    std::string text =
        fmt::format("{} {} {} {}{} {} {} {} {}\n", name(query.granularity), name(query.order),
                    query.offset_hours, query.by_player ? 'p' : '-', query.by_game ? 'g' : '-',
                    query.from_ms ? std::to_string(*query.from_ms) : "-",
                    query.to_ms ? std::to_string(*query.to_ms) : "-",
                    query.as_of ? std::to_string(*query.as_of) : "-", query.player_ids.size());
    for (const std::string& player_id : query.player_ids) {
        text += fmt::format("{}:{}", player_id.size(), player_id);
    }
    for (const uint64_t game_id : query.game_ids) {
        text += fmt::format(",{}", game_id);
    }
    return XXH3_64bits(text.data(), text.size());
}

}  // namespace rh::aggregates
