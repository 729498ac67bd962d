#include "api/statement_options.h"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "api/upload_options.h"
#include "base/utf8.h"
#include "http/negotiate.h"
#include "http/text.h"
#include "model/timestamp.h"

namespace rh::api {
namespace {

constexpr size_t kScopeValuesMax = 1000;
constexpr size_t kProviderBytesMax = 1024;

std::unexpected<Error> bad(std::string_view code, std::string message) {
    return fail(ErrorKind::invalid_request, std::string(code), std::move(message));
}

std::optional<char> parse_delimiter(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, char>, 8> kWords = {{{"comma", ','},
                                                                          {",", ','},
                                                                          {"semicolon", ';'},
                                                                          {";", ';'},
                                                                          {"tab", '\t'},
                                                                          {"\t", '\t'},
                                                                          {"pipe", '|'},
                                                                          {"|", '|'}}};
    for (const auto& [word, delimiter] : kWords) {
        if (word == text) {
            return delimiter;
        }
    }
    return std::nullopt;
}

Result<void> read_format(const http::Request& request, reconcile::StatementOptions& options) {
    if (const auto text = request.query_value("encoding"); text && *text != "auto") {
        options.charset = reconcile::parse_charset(*text);
        if (!options.charset) {
            return bad("unsupported_file_encoding",
                       fmt::format("encoding={} is none of auto, utf-8, utf-16le, utf-16be, "
                                   "windows-1252.",
                                   *text));
        }
    }
    if (const auto text = request.query_value("delimiter"); text && *text != "auto") {
        options.delimiter = parse_delimiter(*text);
        if (!options.delimiter) {
            return bad(
                "bad_delimiter",
                fmt::format("delimiter={} is none of auto, comma, semicolon, tab, pipe.", *text));
        }
    }
    if (const auto text = request.query_value("timezone")) {
        const auto minutes = parse_timezone(*text);
        if (!minutes) {
            return bad("bad_timezone", fmt::format("timezone={} is no offset from UTC such as "
                                                   "+02:00, -05:30, Z or UTC.",
                                                   *text));
        }
        options.timezone_offset_minutes = *minutes;
    }
    if (const auto text = request.query_value("empty_amount")) {
        if (*text != "zero" && *text != "reject") {
            return bad("bad_empty_amount",
                       fmt::format("empty_amount={} is neither zero nor reject.", *text));
        }
        options.empty_amount_is_invalid = *text == "reject";
    }
    RH_ASSIGN(options.allow_negative,
              http::boolean_parameter(request, "allow_negative", options.allow_negative));
    options.filename = http::safe_filename(request.query_value("filename").value_or(""));
    return {};
}

// Sums are kept by the hour, so a scope cannot begin or end inside of one. A plain date is midnight
// where the statement's timestamps without an offset are, as in aggregates.
Result<std::optional<int64_t>> read_hour(const http::Request& request, std::string_view name,
                                         int32_t offset_minutes) {
    constexpr size_t kDateBytes = 10;
    const auto text = request.query_value(name);
    if (!text) {
        return std::nullopt;
    }
    auto ms = model::parse_rfc3339(*text);
    const bool is_local = ms && text->size() == kDateBytes && offset_minutes != 0;
    if (is_local) {
        *ms -= offset_minutes * model::kMsPerMinute;
    }
    if (!ms || *ms < 0 || *ms % model::kMsPerHour != 0) {
        return bad(fmt::format("bad_{}", name),
                   fmt::format("{}={} is no full hour since 1970 such as 2019-10-22T08:00:00Z or "
                               "2019-10-22.{}",
                               name, *text,
                               is_local ? " A date without a time begins at midnight in the "
                                          "statement's timezone."
                                        : ""));
    }
    return ms;
}

Result<void> read_scope(const http::Request& request, int32_t offset_minutes,
                        reconcile::Scope& scope) {
    RH_ASSIGN(scope.from_ms, read_hour(request, "from", offset_minutes));
    RH_ASSIGN(scope.to_ms, read_hour(request, "to", offset_minutes));
    if (scope.from_ms && scope.to_ms && *scope.from_ms >= *scope.to_ms) {
        return bad("bad_to", "to must be after from; the range is half-open, [from, to).");
    }
    for (const auto& text : request.query_values("game_id")) {
        uint64_t game = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), game);
        if (error != std::errc{} || end != text.data() + text.size()) {
            return bad("bad_game_id", fmt::format("game_id={} is no whole number.", text));
        }
        scope.games.push_back(game);
    }
    for (const auto& text : request.query_values("provider")) {
        if (text.size() > kProviderBytesMax || !is_valid_utf8(text)) {
            return bad("bad_provider", "provider is too long or not valid UTF-8.");
        }
        scope.providers.push_back(text);
    }
    if (scope.games.size() > kScopeValuesMax || scope.providers.size() > kScopeValuesMax) {
        return bad(scope.games.size() > kScopeValuesMax ? "bad_game_id" : "bad_provider",
                   fmt::format("At most {} of it can be named.", kScopeValuesMax));
    }
    return {};
}

}  // namespace

std::vector<std::string> statement_parameter_names() {
    return {"from",     "to",        "game_id*", "provider*",    "filename",
            "encoding", "delimiter", "timezone", "empty_amount", "allow_negative"};
}

Result<AskedStatement> read_statement_options(const http::Request& request) {
    AskedStatement asked;
    RH_TRY(read_format(request, asked.options));
    RH_TRY(read_scope(request, asked.options.timezone_offset_minutes, asked.scope));
    return asked;
}

}  // namespace rh::api
