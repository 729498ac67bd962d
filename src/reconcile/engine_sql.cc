#include "reconcile/engine_sql.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/row_batch.h"

namespace rh::reconcile {
namespace {

// The rules of docs/formats/csv.md once more, both ways: what is valid there is valid here, and
// nothing else. Nullable columns are avoided where rows are kept, and nothing throws on a bad row:
// a row is valid or not, whatever stands in it.
constexpr std::string_view kRowSql = R"sql(
SELECT row, refused, user_id, game_name, provider,
    trimBoth(created_timestamp, ' \t') AS time_text,
    replaceOne(substring(time_text, 1, 19), 'T', ' ') AS head,
    substring(time_text, 20) AS tail,
    toDateTime64OrNull(head, 3, 'UTC') AS naive,
    tail = '' OR match(tail, '^([.][0-9]{{1,9}})?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?$')
        AS tail_good,
    toInt64OrZero(substring(rightPad(extract(tail, '^[.]([0-9]+)'), 3, '0'), 1, 3)) AS fraction_ms,
    extract(tail, '([Z+-].*)$') AS zone,
    multiIf(zone = '', {timezone}, zone = 'Z', 0,
        if(startsWith(zone, '-'), -1, 1)
            * (toInt32OrZero(substring(zone, 2, 2)) * 60
               + if(length(zone) > 3, toInt32OrZero(right(zone, 2)), 0))) AS zone_minutes,
    ifNull(toUnixTimestamp64Milli(naive), 0) + fraction_ms - zone_minutes * 60000 AS created_ms,
    ifNull(toString(naive) = concat(head, '.000'), 0) AND tail_good AND created_ms >= 0
        AND created_ms < toUnixTimestamp(toDateTime('2106-01-01 00:00:00', 'UTC')) * 1000
        AS time_good,
    {integers},
    {amounts},
    isValidUTF8(user_id) AND lengthUTF8(user_id) BETWEEN 1 AND 128
        AND NOT match(user_id, '[\\x00-\\x1f\\x7f-\\x{{9f}}]') AS user_good,
    isValidUTF8(game_name) AND lengthUTF8(game_name) <= 256
        AND isValidUTF8(provider) AND lengthUTF8(provider) <= 256 AS names_good,
    time_good AND instance_good AND game_good AND user_good AND names_good AND {all_good} AS ok,
    arrayStringConcat(arrayFilter(x -> x != '', [
        if(time_good, '', concat('created_timestamp ', created_timestamp)),
        if(instance_good, '', concat('game_instance_id ', game_instance_id)),
        if(game_good, '', concat('game_id ', game_id)),
        if(user_good, '', concat('user_id ', user_id)),
        {problems},
        if(names_good, '', 'game_name or provider')]), ', ') AS problem
FROM file('-', '{format}', '{structure}'))sql";

// At most 18 digits are parsed as they stand; else what is left without leading zeros is judged as
// text, since a parser that meets more digits than it has room for may say anything.
constexpr std::string_view kIntegerSql = R"sql(
    trimBoth({column}, ' \t') AS {name}_text,
    match({name}_text, '^[0-9]{{1,18}}$') AS {name}_short,
    if({name}_short, '', trimLeft(substring({name}_text, 2 - (NOT match({name}_text, '^[+-]'))), '0'))
        AS {name}_digits,
    toUInt64OrZero(if({name}_short, {name}_text, {name}_digits)) AS {name}_value,
    {name}_short OR (match({name}_text, '^[+-]?[0-9]+$')
        AND ({name}_digits = '' OR (NOT startsWith({name}_text, '-') AND (length({name}_digits) < 19
            OR (length({name}_digits) = 19 AND {name}_digits <= '9223372036854775807')))))
        AS {name}_good)sql";

// The usual form is parsed as it stands. Any other: `digits`, the first `before` of them before the
// point once the exponent has moved it; `lead` zeros in front and some behind carry no value.
constexpr std::string_view kAmountSql = R"sql(
    trimBoth({column}, ' \t') AS text{i},
    text{i} IN ('', 'NaN', 'null', 'NULL', '\\N') AS empty{i},
    match(text{i}, '^[0-9]{{1,12}}([.][0-9]{{0,6}})?$') AS usual{i},
    if(usual{i} OR empty{i}, '', text{i}) AS other{i},
    match(other{i}, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$') AS decimal{i},
    extract(other{i}, '^[+-]?([0-9.]*)') AS mantissa{i},
    extract(other{i}, '[eE]([+-]?[0-9]+)$') AS power{i},
    trimLeft(power{i}, '+-0') AS far{i},
    if(length(far{i}) > 8, 100000000, toInt64OrZero(far{i})) * if(startsWith(power{i}, '-'), -1, 1)
        AS exponent{i},
    replaceAll(mantissa{i}, '.', '') AS digits{i},
    toInt64(length(extract(mantissa{i}, '^[0-9]*'))) + exponent{i} AS before{i},
    trimLeft(digits{i}, '0') AS led{i},
    length(digits{i}) - length(led{i}) AS lead{i},
    trimRight(led{i}, '0') AS kept{i},
    lead{i} + length(kept{i}) - before{i} AS behind{i},
    kept{i} = '' OR (before{i} - lead{i} <= 12 AND behind{i} <= 6) AS fits{i},
    kept{i} != '' AND startsWith(other{i}, '-') AS negative{i},
    usual{i} OR if(empty{i}, {empty_good}, decimal{i} AND fits{i} {sign}) AS good{i},
    concat(kept{i}, repeat('0', toUInt8(6 - behind{i}))) AS scaled{i},
    leftPad(scaled{i}, greatest(7, length(scaled{i})), '0') AS millionths{i},
    toDecimal128OrZero(if(usual{i}, text{i}, if(decimal{i} AND fits{i} AND kept{i} != '',
        concat(if(negative{i}, '-', ''), substring(millionths{i}, 1, length(millionths{i}) - 6),
            '.', right(millionths{i}, 6)), '0')), 6) AS value{i})sql";

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
    "'disable'";

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

std::string row_sql(const CsvRules& rules) {
    std::vector<std::string> amounts;
    std::vector<std::string> good;
    std::vector<std::string> problems;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        const auto column = model::kAmountNames[i];
        amounts.push_back(fmt::format(
            kAmountSql, fmt::arg("column", column), fmt::arg("i", i),
            fmt::arg("empty_good", rules.empty_amount_is_invalid ? 0 : 1),
            fmt::arg("sign", rules.allow_negative ? "" : fmt::format("AND NOT negative{}", i))));
        good.push_back(fmt::format("good{}", i));
        problems.push_back(fmt::format("if(good{0}, '', concat('{1} ', {1}))", i, column));
    }
    std::vector<std::string> integers;
    for (const auto& [column, name] :
         {std::pair("game_instance_id", "instance"), std::pair("game_id", "game")}) {
        integers.push_back(
            fmt::format(kIntegerSql, fmt::arg("column", column), fmt::arg("name", name)));
    }
    return fmt::format(
        kRowSql, fmt::arg("timezone", rules.timezone_offset_minutes),
        fmt::arg("integers", fmt::join(integers, ",")),
        fmt::arg("amounts", fmt::join(amounts, ",")),
        fmt::arg("all_good", fmt::join(good, " AND ")),
        fmt::arg("problems", fmt::join(problems, ",\n        ")),
        fmt::arg("format", rules.delimiter == '\t' ? "CustomSeparatedWithNames" : "CSVWithNames"),
        fmt::arg("structure", csv_structure()));
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

std::string keys_sql(const CsvRules& rules, const Scope& scope, const std::string& out_file) {
    std::string keep;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        keep += fmt::format("if(kind = 0, value{0}, toDecimal128(0, 6)) AS a{0}, ", i);
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
        "sipHash64(instance_value, user_id, game_value, a0, a1, a2, a3, game_name, provider) AS "
        "content FROM ({3})) GROUP BY kind, player, game, hour ORDER BY kind, player, game, hour "
        "INTO OUTFILE {4} TRUNCATE FORMAT RowBinary {5}",
        20, scope_sql(scope), keep, row_sql(rules), sql_literal(out_file), settings(rules));
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
