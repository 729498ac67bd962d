#include "aggregates/parameters.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "model/timestamp.h"

namespace rh::aggregates {
namespace {

using Parameters = std::span<const std::pair<std::string, std::string>>;

std::unexpected<Error> refuse(std::string code, std::string message) {
    return fail(ErrorKind::invalid_request, std::move(code), std::move(message));
}

// What was sent, for a message: cut, so that an answer is never as long as the request.
std::string shown(std::string_view value) {
    constexpr size_t kShownMax = 64;
    size_t end = std::min(value.size(), kShownMax);
    while (end < value.size() && (value[end] & 0xC0) == 0x80) {
        --end;
    }
    return fmt::format("`{}{}`", value.substr(0, end), end < value.size() ? "…" : "");
}

template <class Names>
std::string choices(const Names& names) {
    return fmt::format("{}", fmt::join(names, ", "));
}

std::optional<std::string_view> value_of(Parameters parameters, std::string_view name) {
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            return value;
        }
    }
    return std::nullopt;
}

std::optional<uint64_t> parse_number(std::string_view text, uint64_t max) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > max) {
        return std::nullopt;
    }
    return value;
}

template <class T>
void sort_unique(std::vector<T>& values) {
    std::ranges::sort(values);
    const auto repeated = std::ranges::unique(values);
    values.erase(repeated.begin(), repeated.end());
}

Result<void> parse_ids(Parameters parameters, Query& query) {
    for (const auto& [key, value] : parameters) {
        if (key == "player_id") {
            const bool control = std::ranges::any_of(
                value, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
            if (value.empty() || value.size() > kPlayerIdBytesMax || control) {
                return refuse("bad_player_id",
                              "A player_id has 1 to 128 characters and no control characters. "
                              "Leave the parameter out to ask for all players.");
            }
            query.player_ids.push_back(value);
        } else if (key == "game_id") {
            const auto game_id = parse_number(value, INT64_MAX);
            if (!game_id) {
                return refuse("bad_game_id",
                              fmt::format("game_id {} is no whole number from 0 to {}. Leave the "
                                          "parameter out to ask for all games.",
                                          shown(value), INT64_MAX));
            }
            query.game_ids.push_back(*game_id);
        }
    }
    if (query.player_ids.size() > kPlayerIdsMax) {
        return refuse("bad_player_id",
                      fmt::format("{} players are named; at most {} can be in one question.",
                                  query.player_ids.size(), kPlayerIdsMax));
    }
    if (query.game_ids.size() > kGameIdsMax) {
        return refuse("bad_game_id",
                      fmt::format("{} games are named; at most {} can be in one question.",
                                  query.game_ids.size(), kGameIdsMax));
    }
    sort_unique(query.player_ids);
    sort_unique(query.game_ids);
    return {};
}

// "UTC", "Z", "+02:00", "-05", "+2". A `+` that was not percent-encoded arrives as a blank.
std::optional<int> parse_offset_hours(std::string_view text) {
    if (text == "UTC" || text == "Z") {
        return 0;
    }
    if (text.size() < 2 || (text[0] != '+' && text[0] != '-' && text[0] != ' ')) {
        return std::nullopt;
    }
    std::string_view digits = text.substr(1);
    if (digits.ends_with(":00")) {
        digits.remove_suffix(3);
    }
    const auto hours = parse_number(digits, 99);
    if (!hours || digits.size() > 2) {
        return std::nullopt;
    }
    const int signed_hours = text[0] == '-' ? -static_cast<int>(*hours) : static_cast<int>(*hours);
    return signed_hours < kOffsetHoursMin || signed_hours > kOffsetHoursMax
               ? std::nullopt
               : std::optional(signed_hours);
}

Result<void> parse_timezone(Parameters parameters, Query& query) {
    const auto text = value_of(parameters, "timezone");
    const auto hours = text ? parse_offset_hours(*text) : 0;
    if (!hours) {
        return refuse("bad_timezone",
                      fmt::format("timezone {} is no whole-hour offset from UTC: write UTC, or "
                                  "-12:00 to +14:00 (the + as %2B). Rounds are kept by whole UTC "
                                  "hours, so half hours and zones with summer time cannot be "
                                  "served.",
                                  shown(*text)));
    }
    query.offset_hours = *hours;
    return {};
}

// One end of the range. A plain date is midnight in the query's time zone.
Result<std::optional<int64_t>> parse_instant(Parameters parameters, std::string_view name,
                                             int offset_hours) {
    const auto value = value_of(parameters, name);
    if (!value) {
        return std::nullopt;
    }
    std::string text(*value);
    constexpr size_t kDateBytes = 10;
    constexpr size_t kOffsetBytes = 6;
    if (text.size() > kDateBytes + kOffsetBytes && text[text.size() - kOffsetBytes] == ' ') {
        text[text.size() - kOffsetBytes] = '+';  // sent without percent-encoding
    }
    auto ms = model::parse_rfc3339(text);
    if (!ms) {
        return refuse("bad_date",
                      fmt::format("{} {} is no date: write 2019-10-22, 2019-10-22T08:00:00Z or "
                                  "2019-10-22T10:00:00+02:00 (the + as %2B).",
                                  name, shown(*value)));
    }
    if (text.size() == kDateBytes) {
        *ms -= offset_hours * model::kMsPerHour;
    }
    const int64_t beyond = (*ms % model::kMsPerHour + model::kMsPerHour) % model::kMsPerHour;
    if (beyond != 0) {
        return refuse("bad_range",
                      fmt::format("{} is inside an hour, and rounds are kept by whole UTC hours: "
                                  "use {} or {}.",
                                  name, model::format_rfc3339(*ms - beyond),
                                  model::format_rfc3339(*ms - beyond + model::kMsPerHour)));
    }
    return ms;
}

Result<void> parse_range(Parameters parameters, Query& query) {
    RH_ASSIGN(query.from_ms, parse_instant(parameters, "from", query.offset_hours));
    RH_ASSIGN(query.to_ms, parse_instant(parameters, "to", query.offset_hours));
    if (query.from_ms && query.to_ms && *query.from_ms >= *query.to_ms) {
        return refuse("bad_range",
                      fmt::format("from ({}) must be before to ({}); to itself is not included.",
                                  model::format_rfc3339(*query.from_ms),
                                  model::format_rfc3339(*query.to_ms)));
    }
    return {};
}

Result<void> parse_granularity(Parameters parameters, Query& query) {
    const auto text = value_of(parameters, "granularity");
    if (!text) {
        return {};
    }
    const auto* const found = std::ranges::find(kGranularityNames, *text);
    if (found == kGranularityNames.end()) {
        return refuse("unknown_granularity", fmt::format("granularity {} is none of {}.",
                                                         shown(*text), choices(kGranularityNames)));
    }
    query.granularity = static_cast<Granularity>(found - kGranularityNames.begin());
    return {};
}

Result<void> parse_group_by(Parameters parameters, Query& query) {
    bool player = false;
    bool game = false;
    bool none = false;
    bool given = false;
    for (const auto& [key, value] : parameters) {
        if (key != "group_by") {
            continue;
        }
        given = true;
        for (size_t begin = 0; begin <= value.size();) {
            const size_t end = std::min(value.find(',', begin), value.size());
            const std::string_view field = std::string_view(value).substr(begin, end - begin);
            bool& wanted = field == "player_id" ? player : field == "game_id" ? game : none;
            if (field != "player_id" && field != "game_id" && field != "none") {
                return refuse("unknown_group_by",
                              fmt::format("group_by {} is none of player_id, game_id, none; "
                                          "without it rows are grouped by both.",
                                          shown(field)));
            }
            wanted = true;
            begin = end + 1;
        }
    }
    if (none && (player || game)) {
        return refuse("unknown_group_by", "group_by=none cannot be joined with other fields.");
    }
    if (given) {
        query.by_player = player;
        query.by_game = game;
    }
    return {};
}

// Needs the grouping and the filter.
Result<void> parse_order(Parameters parameters, Query& query) {
    const std::vector<Order> possible = possible_orders(query);
    const auto text = value_of(parameters, "order");
    if (!text) {
        query.order = possible.front();
        return {};
    }
    const auto* const found = std::ranges::find(kOrderNames, *text);
    if (found == kOrderNames.end()) {
        return refuse("unknown_order",
                      fmt::format("order {} is none of {}.", shown(*text), choices(kOrderNames)));
    }
    query.order = static_cast<Order>(found - kOrderNames.begin());
    if (std::ranges::find(possible, query.order) == possible.end()) {
        std::vector<std::string_view> names;
        names.reserve(possible.size());
        for (const Order order : possible) {
            names.push_back(name(order));
        }
        const bool by_time = query.order == Order::time || query.order == Order::latest;
        return refuse("unsupported_order",
                      fmt::format("This question cannot be answered in order={}, only in {}.{}",
                                  *text, choices(names),
                                  by_time ? " Time orders need players named by player_id, or a "
                                            "group_by without player_id, and a granularity other "
                                            "than total."
                                          : ""));
    }
    return {};
}

Result<void> parse_boolean(Parameters parameters, std::string_view name, std::string code,
                           bool& value) {
    if (const auto text = value_of(parameters, name)) {
        if (*text != "true" && *text != "false") {
            return refuse(std::move(code),
                          fmt::format("{} {} is neither true nor false.", name, shown(*text)));
        }
        value = *text == "true";
    }
    return {};
}

Result<void> parse_paging(Parameters parameters, Asked& asked) {
    if (const auto text = value_of(parameters, "as_of")) {
        asked.query.as_of = parse_number(*text, UINT64_MAX - 1);
        if (!asked.query.as_of) {
            return refuse("bad_version",
                          fmt::format("as_of {} is no version: write the number an answer gave as "
                                      "`version`.",
                                      shown(*text)));
        }
    }
    if (const auto text = value_of(parameters, "limit")) {
        asked.limit = parse_number(*text, kLimitMax);
        if (!asked.limit || *asked.limit == 0) {
            return refuse("bad_limit", fmt::format("limit {} is no whole number from 1 to {}.",
                                                   shown(*text), kLimitMax));
        }
    }
    if (const auto text = value_of(parameters, "cursor")) {
        if (text->empty()) {
            return refuse("bad_cursor",
                          "The cursor is empty. Leave `cursor` out to begin at the first page.");
        }
        asked.cursor = *text;
    }
    if (const auto text = value_of(parameters, "count")) {
        if (*text != "exact") {
            return refuse("bad_count", fmt::format("count {} is unknown; it can only be `exact`. "
                                                   "Leave it out to spare the counting.",
                                                   shown(*text)));
        }
        asked.exact_count = true;
    }
    RH_TRY(parse_boolean(parameters, "csv_guard", "bad_csv_guard", asked.csv_guard));
    return parse_boolean(parameters, "partial", "bad_partial", asked.partial);
}

}  // namespace

std::vector<std::string> parameter_names() {
    return {"player_id*", "game_id*", "from",      "to",        "granularity",
            "timezone",   "as_of",    "group_by*", "order",     "limit",
            "cursor",     "format",   "count",     "csv_guard", "partial"};
}

Result<Asked> parse_parameters(Parameters parameters) {
    Asked asked;
    RH_TRY(parse_ids(parameters, asked.query));
    RH_TRY(parse_timezone(parameters, asked.query));
    RH_TRY(parse_range(parameters, asked.query));
    RH_TRY(parse_granularity(parameters, asked.query));
    RH_TRY(parse_group_by(parameters, asked.query));
    RH_TRY(parse_order(parameters, asked.query));
    RH_TRY(parse_paging(parameters, asked));
    return asked;
}

}  // namespace rh::aggregates
