#include "reconcile/engine_sql.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/row_batch.h"
#include "reconcile/records.h"

namespace rh::reconcile {
namespace {

// The rules of docs/formats/csv.md once more, both ways: what is valid there is valid here, and
// nothing else. Nothing throws on a bad row: a row is valid or not, whatever stands in it. Steps of
// staged(), of which each reads the one before it as `t`: an expression that names another twice is
// planned as two, so what is used often ends a step. All is made from the first `t`, an empty text,
// since ClickHouse computes what does not depend on it for all rows.
constexpr std::array<std::string_view, 5> kRowSteps = {
    R"sql(
    concat(created_timestamp, t) AS time_field,
    trimBoth(concat(created_timestamp, t), ' \t') AS time_text,
    concat(user_id, t) AS player, concat(game_name, t) AS name, concat(provider, t) AS maker,
    [concat(game_instance_id, t), concat(game_id, t)] AS integer_fields,
    [{amounts}] AS amount_fields)sql",
    R"sql(
    t.time_field AS time_field,
    replaceOne(substring(t.time_text, 1, 19), 'T', ' ') AS head,
    substring(t.time_text, 20) AS tail,
    t.player AS player,
    isValidUTF8(t.player) AND lengthUTF8(t.player) BETWEEN 1 AND 128
        AND NOT match(t.player, '[\\x00-\\x1f\\x7f-\\x{{9f}}]') AS player_good,
    isValidUTF8(t.name) AND lengthUTF8(t.name) <= 256
        AND isValidUTF8(t.maker) AND lengthUTF8(t.maker) <= 256 AS names_good,
    {integer_steps} AS integers,
    {amount_steps} AS amounts)sql",
    R"sql(
    t.time_field AS time_field, t.head AS head,
    toDateTime64OrNull(t.head, 3, 'UTC') AS naive,
    t.tail = '' OR match(t.tail, '^([.][0-9]{{1,9}})?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?$')
        AS tail_good,
    toInt64OrZero(substring(rightPad(extract(t.tail, '^[.]([0-9]+)'), 3, '0'), 1, 3))
        AS fraction_ms,
    extract(t.tail, '([Z+-].*)$') AS zone,
    t.player AS player, t.player_good AS player_good, t.names_good AS names_good,
    t.integers AS integers, t.amounts AS amounts)sql",
    R"sql(
    t.time_field AS time_field,
    ifNull(toString(t.naive) = concat(t.head, '.000'), 0) AND t.tail_good AS form_good,
    ifNull(toUnixTimestamp64Milli(t.naive), 0) + t.fraction_ms - 60000 * multiIf(
        t.zone = '', {timezone}, t.zone = 'Z', 0,
        if(startsWith(t.zone, '-'), -1, 1) * (toInt32OrZero(substring(t.zone, 2, 2)) * 60
            + if(length(t.zone) > 3, toInt32OrZero(right(t.zone, 2)), 0))) AS created_ms,
    t.player AS player, t.player_good AS player_good, t.names_good AS names_good,
    t.integers AS integers, t.amounts AS amounts)sql",
    R"sql(
    t.form_good AND t.created_ms >= 0
        AND t.created_ms < toUnixTimestamp(toDateTime('2106-01-01 00:00:00', 'UTC')) * 1000
        AS time_good,
    time_good AND t.player_good AND t.names_good AND arrayAll(i -> i.good, t.integers)
        AND arrayAll(a -> a.good, t.amounts) AS ok,
    t.names_good AS names_good, t.created_ms AS created_ms,
    t.integers[1].value AS instance_value, t.integers[2].value AS game_value,
    t.amounts[1].value AS value0, t.amounts[2].value AS value1, t.amounts[3].value AS value2,
    t.amounts[4].value AS value3,
    arrayStringConcat(arrayFilter(problem -> problem != '', arrayConcat(
        [if(time_good, '', concat('created_timestamp ', t.time_field))],
        arrayMap((i, column) -> if(i.good, '', concat(column, ' ', i.field)), t.integers,
            ['game_instance_id', 'game_id']),
        [if(t.player_good, '', concat('user_id ', t.player))],
        arrayMap((a, column) -> if(a.good, '', concat(column, ' ', a.field)), t.amounts,
            [{amount_names}]),
        [if(t.names_good, '', 'game_name or provider')])), ', ') AS problem)sql"};

// What is left without sign and leading zeros is judged as text, since a parser that meets more
// digits than it has room for may say anything.
constexpr std::array<std::string_view, 3> kIntegerSteps = {
    R"sql(t AS field, trimBoth(t, ' \t') AS text)sql",
    R"sql(
    t.field AS field, startsWith(t.text, '-') AS minus,
    match(t.text, '^[+-]?[0-9]+$') AS whole,
    trimLeft(substring(t.text, 2 - (NOT match(t.text, '^[+-]'))), '0') AS digits)sql",
    R"sql(
    t.field AS field, toUInt64OrZero(t.digits) AS value,
    t.whole AND (t.digits = '' OR (NOT t.minus AND (length(t.digits) < 19
        OR (length(t.digits) = 19 AND t.digits <= '9223372036854775807')))) AS good)sql"};

// `digits`, the first `before` of them before the point once the exponent has moved it; `lead`
// zeros in front and some behind carry no value, `kept` are those that do, the last one of them
// `behind` places behind the point.
constexpr std::array<std::string_view, 7> kAmountSteps = {
    R"sql(t AS field, trimBoth(t, ' \t') AS text)sql",
    R"sql(
    t.field AS field, t.text IN ('', 'NaN', 'null', 'NULL', '\\N') AS empty,
    if(t.text IN ('', 'NaN', 'null', 'NULL', '\\N'), '', t.text) AS other)sql",
    R"sql(
    t.field AS field, t.empty AS empty, startsWith(t.other, '-') AS minus,
    match(t.other, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AS decimal,
    extract(t.other, '^[+-]?([0-9.]*)') AS mantissa,
    extract(t.other, '[eE]([+-]?[0-9]+)$') AS power,
    trimLeft(extract(t.other, '[eE]([+-]?[0-9]+)$'), '+-0') AS far)sql",
    R"sql(
    t.field AS field, t.empty AS empty, t.minus AS minus, t.decimal AS decimal,
    replaceAll(t.mantissa, '.', '') AS digits,
    toInt64(length(extract(t.mantissa, '^[0-9]*')))
        + if(length(t.far) > 8, 100000000, toInt64OrZero(t.far)) * if(startsWith(t.power, '-'), -1, 1)
        AS before)sql",
    R"sql(
    t.field AS field, t.empty AS empty, t.minus AS minus, t.decimal AS decimal, t.before AS before,
    trimBoth(t.digits, '0') AS kept,
    length(t.digits) - length(trimLeft(t.digits, '0')) AS lead)sql",
    R"sql(
    t.field AS field, t.empty AS empty, t.kept AS kept,
    t.minus AND t.kept != '' AS negative, t.lead + length(t.kept) - t.before AS behind,
    t.decimal AND (t.kept = '' OR (t.before - t.lead <= 12
        AND t.lead + length(t.kept) - t.before <= 6)) AS fits)sql",
    R"sql(
    t.field AS field, if(t.empty, {empty_good}, t.fits{sign}) AS good,
    toDecimal64OrZero(if(t.fits AND t.kept != '',
        concat(if(t.negative, '-', ''), t.kept, 'e', toString(-t.behind)), '0'), 6) AS value)sql"};

// Element by element through all steps, each a tuple of names.
std::string staged(std::string array, std::span<const std::string_view> steps) {
    for (const std::string_view step : steps) {
        array = fmt::format("arrayMap(t -> ({}), {})", step, array);
    }
    return array;
}

// Most rows have the form in which systems write such files. What that form does not show to be
// valid is for the rules, which cost twice what reading the CSV does: `usual` may be false for a
// valid row, and never is true for another. Players, names and hours are judged once for all rows
// of a block that share them, times and numbers by one expression, since each costs as much as
// several fields: a comma parts them, and stands in none that it matches.
constexpr std::string_view kUsualAmount = "[0-9]{1,12}([.][0-9]{0,6})?|[0-9](([.][0-9])?e-05|e-06)";
constexpr std::string_view kRowSql = R"sql(
SELECT row, refused, player AS user_id, name AS game_name, maker AS provider,
    usual OR rules.ok AS ok,
    usual OR rules.time_good AS time_good,
    usual OR rules.names_good AS names_good,
    if(usual, toUnixTimestamp64Milli(toDateTime64OrZero(created_timestamp, 3, 'UTC'))
        - {timezone} * 60000, rules.created_ms) AS created_ms,
    if(usual, toUInt64OrZero(game_instance_id), rules.instance_value) AS instance_value,
    if(usual, toUInt64OrZero(game_id), rules.game_value) AS game_value,
    {values}rules.problem AS problem
FROM (SELECT *, toLowCardinality(user_id) AS player, toLowCardinality(game_name) AS name,
        toLowCardinality(provider) AS maker,
        toLowCardinality(substring(created_timestamp, 1, 13)) AS hour_text,
        match(hour_text, '^20[0-9][0-9]-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31) ([01][0-9]|2[0-3])$')
            AND match(concat(created_timestamp, ',', game_instance_id, ',', game_id, ',', {numbers}),
                '^[0-9 -]{{13}}:[0-5][0-9]:[0-5][0-9]([.][0-9][0-9][0-9])?,[0-9]{{1,18}},[0-9]{{1,18}}{usual_amounts}$')
            AND match(player, '^[ -~]{{1,128}}$') AND isValidUTF8(name) AND length(name) <= 256
            AND isValidUTF8(maker) AND length(maker) <= 256 AS usual,
        {rules}[1] AS rules
    FROM file('-', '{format}', '{structure}')))sql";

// Written for files of any size: what does not fit in memory goes to disk. Without short circuits
// each expression is computed once for every row; with them once for each that uses it: measured
// 31 s in place of 7 for 2.1 million rows.
constexpr std::string_view kSettings =
    "SETTINGS max_threads = 2, max_memory_usage = 3000000000, "
    "max_bytes_before_external_group_by = 400000000, max_bytes_before_external_sort = 400000000, "
    "max_bytes_ratio_before_external_group_by = 0, max_bytes_ratio_before_external_sort = 0, "
    "input_format_null_as_default = 0, input_format_csv_trim_whitespaces = 0, "
    "format_csv_allow_single_quotes = 0, input_format_with_names_use_header = 1, "
    "input_format_skip_unknown_fields = 1, input_format_csv_detect_header = 0, "
    "input_format_csv_use_best_effort_in_schema_inference = 0, short_circuit_function_evaluation = "
    "'disable', input_format_parallel_parsing = 0, enable_named_columns_in_function_tuple = 1";

// The format CSV refuses the tab as its delimiter; the same reader of quoted fields takes it under
// this name.
constexpr std::string_view kTabSettings =
    ", format_custom_escaping_rule = 'CSV', format_custom_field_delimiter = '\\t', "
    "format_custom_row_after_delimiter = '\\n', format_custom_row_before_delimiter = '', "
    "format_custom_row_between_delimiter = '', format_custom_result_before_delimiter = '', "
    "format_custom_result_after_delimiter = '', input_format_custom_detect_header = 0";

std::string settings(const CsvRules& rules) {
    std::string text(kSettings);
    text += rules.delimiter == '\t' ? std::string(kTabSettings)
                                    : fmt::format(", format_csv_delimiter = '{}'", rules.delimiter);
    return text;
}

// The columns that RecordScanner writes; the header's other columns are skipped.
std::string csv_structure() {
    std::string structure = "row UInt64, refused UInt8";
    for (const auto column : model::kColumnNames) {
        structure += fmt::format(", {} String", column);
    }
    return structure;
}

// One tuple of the names of the last step for each element of `array`.
std::string rules_sql(const CsvRules& rules, std::string array) {
    const std::string amount_steps =
        fmt::format(fmt::runtime(staged("t.amount_fields", kAmountSteps)),
                    fmt::arg("empty_good", rules.empty_amount_is_invalid ? 0 : 1),
                    fmt::arg("sign", rules.allow_negative ? "" : " AND NOT t.negative"));
    std::string fields;
    std::string names;
    for (const std::string_view column : model::kAmountNames) {
        const std::string_view comma = fields.empty() ? "" : ", ";
        fields += fmt::format("{}concat({}, t)", comma, column);
        names += fmt::format("{}'{}'", comma, column);
    }
    return fmt::format(fmt::runtime(staged(std::move(array), kRowSteps)),
                       fmt::arg("timezone", rules.timezone_offset_minutes),
                       fmt::arg("amounts", fields), fmt::arg("amount_names", names),
                       fmt::arg("integer_steps", staged("t.integer_fields", kIntegerSteps)),
                       fmt::arg("amount_steps", amount_steps));
}

// Every row with what it says: ok, time_good, names_good, created_ms, instance_value, game_value,
// value0 to value3, problem.
std::string row_sql(const CsvRules& rules) {
    const std::string amount = rules.empty_amount_is_invalid
                                   ? fmt::format(",({})", kUsualAmount)
                                   : fmt::format(",({}|NaN)?", kUsualAmount);
    std::string usual;
    std::string values;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        const auto column = model::kAmountNames[i];
        usual += amount;
        values += fmt::format(
            "if(usual, toDecimal64OrZero({}, 6), rules.value{}) AS value{},\n    ", column, i, i);
    }
    return fmt::format(
        kRowSql, fmt::arg("usual_amounts", usual),
        fmt::arg("numbers", fmt::join(model::kAmountNames, ", ',', ")), fmt::arg("values", values),
        fmt::arg("timezone", rules.timezone_offset_minutes),
        fmt::arg("rules", rules_sql(rules, "if(usual, [], [''])")),
        fmt::arg("format", rules.delimiter == '\t' ? "CustomSeparatedWithNames" : "CSVWithNames"),
        fmt::arg("structure", csv_structure()));
}

std::string row_content_sql(const HashKey& key) {
    return content_sql(key, {"instance_value", "user_id", "game_value", "game_name", "provider",
                             "value0, value1, value2, value3"});
}

std::string scope_sql(const Scope& scope) {
    std::string sql = "1";
    if (scope.from_ms) {
        sql += fmt::format(" AND created_ms >= {}", *scope.from_ms);
    }
    if (scope.to_ms) {
        sql += fmt::format(" AND created_ms < {}", *scope.to_ms);
    }
    if (!scope.games.empty()) {
        sql += fmt::format(" AND game_value IN ({})", fmt::join(scope.games, ","));
    }
    if (!scope.providers.empty()) {
        std::vector<std::string> literals;
        literals.reserve(scope.providers.size());
        for (const auto& provider : scope.providers) {
            literals.push_back(sql_literal(provider));
        }
        sql += fmt::format(" AND provider IN ({})", fmt::join(literals, ","));
    }
    return sql;
}

}  // namespace

std::string sql_literal(std::string_view text) {
    std::string literal = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            literal += '\\';
        }
        if (c == '\0') {
            literal += "\\0";
            continue;
        }
        literal += c;
    }
    return literal + "'";
}

std::string keys_sql(const CsvRules& rules, const Scope& scope, const HashKey& key,
                     const std::string& out_file) {
    std::string keep;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        keep += fmt::format("if(kind = 0, value{0}, toDecimal64(0, 6)) AS a{0}, ", i);
    }
    // The kinds are KeyRow::Kind. A refused row that is valid counts as a row of the original, and
    // once more as what it is.
    return fmt::format(
        "SELECT kind, player, game, hour, count(), sum(a0), sum(a1), sum(a2), sum(a3), "
        "groupArrayIf((content, ms), kind = 0), "
        "groupArrayIf({0})((row, if(kind = 1, problem, '')), kind IN (1, 4)) FROM ("
        "SELECT arrayJoin(multiIf(refused AND ok, [0, 4], refused, [3], NOT ok, [1], NOT ({1}), "
        "[2], [0])::Array(UInt8)) AS kind, row, problem, "
        "if(kind = 0, user_id, '') AS player, if(kind = 0, game_value, 0) AS game, "
        "toUInt32(if(kind = 0, intDiv(created_ms, 3600000), 0)) AS hour, "
        "toUInt32(if(kind = 0, created_ms % 3600000, 0)) AS ms, {2}"
        "{3} AS content FROM ({4})) GROUP BY kind, player, game, hour "
        "ORDER BY kind, player, game, hour INTO OUTFILE {5} TRUNCATE FORMAT RowBinary {6}",
        kBadExamplesMax, scope_sql(scope), keep, row_content_sql(key), row_sql(rules),
        sql_literal(out_file), settings(rules));
}

std::string digest_sql(const CsvRules& rules, const Scope& scope, const HashKey& key,
                       const std::string& out_file) {
    // One row of each kind, and of the examples those of keys_sql().
    return fmt::format(
        "SELECT kind.1, '', toUInt64(0), toUInt32(0), kind.2, kind.3.1, kind.3.2, kind.3.3, "
        "kind.3.4, kind.4, kind.5 FROM (SELECT "
        "(sumIf(value0, here), sumIf(value1, here), sumIf(value2, here), sumIf(value3, here)) "
        "AS sums, (toDecimal128(0, 6), toDecimal128(0, 6), toDecimal128(0, 6), toDecimal128(0, 6)) "
        "AS zeros, []::Array(Tuple(UInt64, String)) AS none, arrayJoin(["
        "(toUInt8(0), countIf(here), sums, none, sumIf({1}, here)), "
        "(toUInt8(1), countIf(NOT refused AND NOT ok), zeros, "
        "groupArrayIf({0})((row, problem), NOT refused AND NOT ok), toUInt64(0)), "
        "(toUInt8(2), countIf(NOT refused AND ok AND NOT here), zeros, none, toUInt64(0)), "
        "(toUInt8(3), countIf(refused AND NOT ok), zeros, none, toUInt64(0)), "
        "(toUInt8(4), countIf(refused AND ok), zeros, "
        "groupArrayIf({0})((row, ''), refused AND ok), toUInt64(0))]) AS kind FROM ("
        "SELECT *, ok AND (refused OR ({2})) AS here FROM ({3}))) "
        "ORDER BY kind.1 INTO OUTFILE {4} TRUNCATE FORMAT RowBinary {5}",
        kBadExamplesMax, row_digest_sql(key, row_content_sql(key), "created_ms"), scope_sql(scope),
        row_sql(rules), sql_literal(out_file), settings(rules));
}

std::string extent_sql(const CsvRules& rules, const std::string& out_file) {
    return fmt::format(
        "SELECT countIf(ok) AS rows, countIf(NOT time_good) AS untimed, "
        "intDiv(minIf(created_ms, time_good), 3600000) * 3600000 AS from_ms, "
        "(intDiv(maxIf(created_ms, time_good), 3600000) + 1) * 3600000 AS to_ms, "
        "groupUniqArrayIf({0})(provider, names_good) AS providers, "
        "countIf(NOT names_good) AS unnamed FROM ({1}) "
        "INTO OUTFILE {2} TRUNCATE FORMAT JSONEachRow {3}, output_format_json_quote_64bit_integers "
        "= 0",
        kProvidersMax + 1, row_sql(rules), sql_literal(out_file), settings(rules));
}

}  // namespace rh::reconcile
