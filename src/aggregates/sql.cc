#include "aggregates/sql.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "aggregates/period.h"
#include "base/assert.h"
#include "model/row_batch.h"

namespace rh::aggregates {
namespace {

constexpr int64_t kSecondsMax = (int64_t{1} << 32) - 1;  // of ClickHouse's DateTime

std::string_view column(KeyField field) {
    constexpr std::array<std::string_view, 3> kColumns = {"player_id", "game_id", "period"};
    return kColumns[static_cast<size_t>(field)];
}

class Builder {
  public:
    Builder(const Query& query, uint64_t version)
        : query_(query), version_(version), fields_(key_fields(query)) {}

    const std::vector<KeyField>& fields() const { return fields_; }

    // "player_id, game_id, period"; with `directions` "period DESC" where the order says so. A
    // single game is put first, whatever the order: it changes nothing but that hourly_by_game is
    // then in order.
    std::string columns(bool directions) const {
        const bool one_game = query_.game_ids.size() == 1 && rollup_of(query_) == "hourly_by_game";
        std::string list = one_game ? "game_id" : "";
        for (const KeyField field : fields_) {
            if (one_game && field == KeyField::game) {
                continue;
            }
            const bool down =
                directions && field == KeyField::period && query_.order == Order::latest;
            list +=
                fmt::format("{}{}{}", list.empty() ? "" : ", ", column(field), down ? " DESC" : "");
        }
        return list;
    }

    // The order of columns(), in columns of the rollup alone: a period grows with its hours.
    std::string stored_columns() const {
        std::string list = columns(false);
        if (!list.empty() && fields_.back() == KeyField::period) {
            list.replace(list.rfind(column(KeyField::period)), std::string::npos, "hour");
        }
        return list;
    }

    std::string key_expressions() {
        std::string list;
        for (const KeyField field : fields_) {
            list += list.empty() ? "" : ", ";
            list += field == KeyField::period ? period_expression() + " AS period"
                                              : std::string(column(field));
        }
        return list;
    }

    std::string conditions() {
        std::string text =
            "upload_id GLOBAL IN (SELECT upload_id FROM uploads FINAL WHERE stored_version <= " +
            parameter("UInt64", std::to_string(version_)) + " AND voided_version > " +
            parameter("UInt64", std::to_string(version_)) + ")";
        if (!query_.player_ids.empty()) {
            text += " AND player_id IN " +
                    parameter("Array(String)", clickhouse::array_parameter(query_.player_ids));
        }
        if (query_.game_ids.size() == 1) {
            // An equality, and not IN: the rest of the key is then in order.
            text += " AND game_id = " + parameter("UInt64", std::to_string(query_.game_ids[0]));
        } else if (!query_.game_ids.empty()) {
            text +=
                " AND game_id IN " +
                parameter("Array(UInt64)", fmt::format("[{}]", fmt::join(query_.game_ids, ",")));
        }
        if (query_.from_ms) {
            text += " AND hour >= " + hour_parameter(*query_.from_ms / 1000);
        }
        if (query_.to_ms) {
            text += " AND hour < " + hour_parameter(*query_.to_ms / 1000);
        }
        return text;
    }

    // Rows whose key comes after `key`, or (`up_to`) not after it.
    std::string bound(const Key& key, bool up_to) {
        std::string text;
        for (auto field = fields_.rbegin(); field != fields_.rend(); ++field) {
            const std::string beyond = up_to ? before(*field, key) : after(*field, key);
            if (text.empty()) {
                text = up_to ? fmt::format("({} OR {})", beyond, at(*field, key)) : beyond;
            } else {
                text = fmt::format("({} OR ({} AND {}))", beyond, at(*field, key), text);
            }
        }
        return text;
    }

    std::string parameter(std::string_view type, std::string value) {
        std::string name = fmt::format("p{}", parameters_.size());
        std::string text = fmt::format("{{{}:{}}}", name, type);
        parameters_.emplace_back(std::move(name), std::move(value));
        return text;
    }

    Statement finish(std::string sql,
                     clickhouse::Settings settings = {{"optimize_aggregation_in_order", "1"}}) {
        return {std::move(sql) + " FORMAT RowBinary", std::move(parameters_), std::move(settings)};
    }

  private:
    std::string hour_parameter(int64_t seconds) {
        return fmt::format(
            "toDateTime({}, 'UTC')",
            parameter("UInt32", std::to_string(std::clamp<int64_t>(seconds, 0, kSecondsMax))));
    }

    // Counts days from one before 1970, so that intDiv never sees a negative number.
    std::string day_expression() {
        constexpr int64_t kDayS = 86'400;
        return fmt::format("intDiv(toInt64(toUnixTimestamp(hour)) + {}, {}) - 1",
                           parameter("Int64", std::to_string(kDayS + query_.offset_hours * 3600)),
                           kDayS);
    }

    std::string period_expression() {
        switch (query_.granularity) {
            case Granularity::hour:
                return "toInt64(toUnixTimestamp(hour))";
            case Granularity::day:
                return fmt::format("toInt64({})", day_expression());
            case Granularity::month:
                return fmt::format("toInt64(toYYYYMM(addDays(toDate32('1970-01-01'), {})))",
                                   day_expression());
            case Granularity::total:
                break;
        }
        return "toInt64(0)";
    }

    std::string compare(KeyField field, std::string_view comparison, const Key& key) {
        return field == KeyField::player
                   ? fmt::format("player_id {} {}", comparison, parameter("String", key.player_id))
                   : fmt::format("game_id {} {}", comparison,
                                 parameter("UInt64", std::to_string(key.game_id)));
    }
    std::string later(const Key& key) {
        return "hour >= " +
               hour_parameter(period_end_s(query_.granularity, query_.offset_hours, key.period));
    }
    std::string earlier(const Key& key) {
        return "hour < " +
               hour_parameter(period_begin_s(query_.granularity, query_.offset_hours, key.period));
    }

    std::string after(KeyField field, const Key& key) {
        if (field == KeyField::period) {
            return query_.order == Order::latest ? earlier(key) : later(key);
        }
        return compare(field, ">", key);
    }
    std::string before(KeyField field, const Key& key) {
        if (field == KeyField::period) {
            return query_.order == Order::latest ? later(key) : earlier(key);
        }
        return compare(field, "<", key);
    }
    std::string at(KeyField field, const Key& key) {
        if (field == KeyField::period) {
            return fmt::format(
                "(hour >= {} AND hour < {})",
                hour_parameter(period_begin_s(query_.granularity, query_.offset_hours, key.period)),
                hour_parameter(period_end_s(query_.granularity, query_.offset_hours, key.period)));
        }
        return compare(field, "=", key);
    }

    const Query& query_;
    uint64_t version_;
    std::vector<KeyField> fields_;
    clickhouse::Parameters parameters_;
};

// Everything from FROM to before GROUP BY.
std::string source(Builder& builder, std::string_view table, const std::optional<Key>& after,
                   const std::optional<Key>& last) {
    std::string text = fmt::format(" FROM {} WHERE {}", table, builder.conditions());
    if (after) {
        text += " AND " + builder.bound(*after, false);
    }
    if (last) {
        text += " AND " + builder.bound(*last, true);
    }
    return text;
}

}  // namespace

std::string_view rollup_of(const Query& query) {
    if (!query.player_ids.empty()) {
        return "hourly";
    }
    if (!query.by_player) {
        return "game_hourly";
    }
    return query.order == Order::game || query.game_ids.size() == 1 ? "hourly_by_game" : "hourly";
}

bool is_walkable(const Query& query) {
    const std::string_view rollup = rollup_of(query);
    return rollup == "hourly_by_game" ||
           query.order == (rollup == "hourly" ? Order::player : Order::game);
}

Statement find_page_end(const Query& query, uint64_t version, const std::optional<Key>& after,
                        uint64_t rows_max) {
    Builder builder(query, version);
    RH_ASSERT(is_walkable(query) && !builder.fields().empty() && rows_max > 0);
    std::string sql = "SELECT " + builder.key_expressions();
    sql += source(builder, rollup_of(query), after, std::nullopt);
    sql += fmt::format(" GROUP BY {} ORDER BY {}", builder.columns(false), builder.columns(true));
    sql += " LIMIT 2 OFFSET " + builder.parameter("UInt64", std::to_string(rows_max - 1));
    return builder.finish(std::move(sql));
}

Statement sum_page(const Query& query, uint64_t version, const std::optional<Key>& after,
                   const std::optional<Key>& last, uint64_t rows_max) {
    Builder builder(query, version);
    std::string sql = "SELECT " + builder.key_expressions();
    sql += builder.fields().empty() ? "" : ", ";
    sql += "sum(rounds)";
    for (const std::string_view amount : model::kAmountNames) {
        sql += fmt::format(", sum({})", amount);
    }
    sql += source(builder, fmt::format("{} FINAL", rollup_of(query)), after, last);
    if (!builder.fields().empty()) {
        sql +=
            fmt::format(" GROUP BY {} ORDER BY {}", builder.columns(false), builder.columns(true));
        sql += " LIMIT " + builder.parameter("UInt64", std::to_string(rows_max));
    }
    return builder.finish(std::move(sql));
}

Statement walk_rows(const Query& query, uint64_t version, const std::optional<Key>& after,
                    uint64_t rows_max) {
    Builder builder(query, version);
    RH_ASSERT(is_walkable(query) && !builder.fields().empty() && rows_max > 0);
    std::string sql = "SELECT " + builder.key_expressions() + ", rounds";
    for (const std::string_view amount : model::kAmountNames) {
        sql += fmt::format(", {}", amount);
    }
    sql += source(builder, fmt::format("{} FINAL", rollup_of(query)), after, std::nullopt);
    sql += fmt::format(" ORDER BY {} LIMIT {}", builder.stored_columns(),
                       builder.parameter("UInt64", std::to_string(rows_max)));
    // With more threads FINAL cuts the table into ranges, which are merged again: twice the
    // processor time for the same rows a second.
    return builder.finish(std::move(sql), {{"optimize_read_in_order", "1"}, {"max_threads", "1"}});
}

Statement count_rows(const Query& query, uint64_t version, std::string_view table) {
    Builder builder(query, version);
    RH_ASSERT(!builder.fields().empty());
    std::string sql = "SELECT count() FROM (SELECT " + builder.key_expressions();
    sql += source(builder, table, std::nullopt, std::nullopt);
    sql += fmt::format(" GROUP BY {})", builder.columns(false));
    return builder.finish(std::move(sql));
}

}  // namespace rh::aggregates
