#include "api/upload_options.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "api/body_digests.h"
#include "http/negotiate.h"
#include "http/text.h"
#include "model/upload_id.h"

namespace rh::api {
namespace {

constexpr size_t kLabelBytesMax = 128;
constexpr int32_t kTimezoneMinutesMax = 18 * 60;

std::unexpected<Error> bad_parameter(std::string_view code, std::string message) {
    return fail(ErrorKind::invalid_request, std::string(code), std::move(message));
}

std::optional<char> parse_delimiter(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, char>, 9> kDelimiters = {{{"comma", ','},
                                                                               {"semicolon", ';'},
                                                                               {"tab", '\t'},
                                                                               {"pipe", '|'},
                                                                               {",", ','},
                                                                               {";", ';'},
                                                                               {"\t", '\t'},
                                                                               {"|", '|'},
                                                                               {"\\t", '\t'}}};
    for (const auto& [word, delimiter] : kDelimiters) {
        if (word == text) {
            return delimiter;
        }
    }
    return std::nullopt;
}

Result<void> read_format(const http::Request& request, receive::Options& options) {
    if (const auto text = request.query_value("encoding"); text && *text != "auto") {
        options.encoding = csv::parse_encoding(*text);
        if (!options.encoding) {
            return bad_parameter(
                "unsupported_file_encoding",
                fmt::format("encoding={} is none of auto, utf-8, utf-16le, utf-16be, windows-1252.",
                            *text));
        }
    }
    if (const auto text = request.query_value("delimiter"); text && *text != "auto") {
        options.delimiter = parse_delimiter(*text);
        if (!options.delimiter) {
            return bad_parameter(
                "bad_delimiter",
                fmt::format("delimiter={} is none of auto, comma, semicolon, tab, pipe.", *text));
        }
    }
    if (const auto text = request.query_value("timezone")) {
        const auto minutes = parse_timezone(*text);
        if (!minutes) {
            return bad_parameter("bad_timezone",
                                 fmt::format("timezone={} is no offset from UTC such as +02:00, "
                                             "-05:30, Z or UTC.",
                                             *text));
        }
        options.timezone_offset_minutes = *minutes;
    }
    return {};
}

Result<void> read_policy(const http::Request& request, receive::Options& options) {
    if (const auto text = request.query_value("empty_amount")) {
        if (*text != "zero" && *text != "reject") {
            return bad_parameter("bad_empty_amount",
                                 fmt::format("empty_amount={} is neither zero nor reject.", *text));
        }
        options.empty_amount_is_reject = *text == "reject";
    }
    if (const auto text = request.query_value("on_error")) {
        if (*text != "quarantine" && *text != "abort") {
            return bad_parameter(
                "bad_on_error", fmt::format("on_error={} is neither quarantine nor abort.", *text));
        }
        options.abort_on_error = *text == "abort";
    }
    if (request.query_value("max_errors")) {
        RH_ASSIGN(options.errors_max, http::number_parameter(request, "max_errors", 0, 0,
                                                             std::numeric_limits<int64_t>::max()));
        if (options.abort_on_error.value_or(false)) {
            return bad_parameter("conflicting_parameters",
                                 "on_error=abort refuses the file at its first bad row; leave out "
                                 "max_errors.");
        }
    }
    RH_ASSIGN(options.allow_negative, http::boolean_parameter(request, "allow_negative", false));
    RH_ASSIGN(options.dry_run, http::boolean_parameter(request, "dry_run", false));
    return {};
}

Result<void> read_identity(const http::Request& request, receive::Options& options) {
    if (const auto text = request.query_value("allow_duplicate")) {
        const bool printable = std::ranges::all_of(
            *text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
        if (text->empty() || text->size() > kLabelBytesMax || !printable) {
            return bad_parameter("bad_allow_duplicate",
                                 fmt::format("allow_duplicate is a label of 1 to {} bytes without "
                                             "control characters: the same label again is the "
                                             "same upload again.",
                                             kLabelBytesMax));
        }
        options.label = *text;
    }
    if (const auto text = request.query_value("replaces")) {
        options.replaces = model::parse_upload_id(*text);
        if (!options.replaces) {
            return bad_parameter("bad_replaces",
                                 fmt::format("replaces={} is no upload's id.", *text));
        }
    }
    if (const auto text = request.query_value("filename")) {
        options.filename = http::safe_filename(*text);
    } else if (const auto sent =
                   http::header_parameter(request.header("content-disposition"), "filename")) {
        options.filename = http::safe_filename(*sent);
    }
    return {};
}

}  // namespace

std::vector<std::string> upload_parameter_names() {
    return {"filename",     "encoding",        "delimiter", "timezone",
            "empty_amount", "allow_negative",  "on_error",  "max_errors",
            "dry_run",      "allow_duplicate", "replaces"};
}

Result<receive::Options> read_upload_options(const http::Request& request) {
    receive::Options options;
    RH_TRY(read_format(request, options));
    RH_TRY(read_policy(request, options));
    RH_TRY(read_identity(request, options));
    RH_ASSIGN(options.digests, read_digests(request));
    options.trace_id = request.trace_id;
    return options;
}

std::optional<int32_t> parse_timezone(std::string_view text) {
    if (text == "Z" || text == "z" || http::equal_ignoring_case(text, "utc")) {
        return 0;
    }
    if (text.empty() || !std::string_view("+- ").contains(text[0])) {
        return std::nullopt;
    }
    const bool negative = text[0] == '-';
    std::string digits(text.substr(1));
    if (digits.size() == 5 && digits[2] == ':') {
        digits.erase(2, 1);
    }
    const bool all_digits =
        std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (!all_digits || (digits.size() != 2 && digits.size() != 4)) {
        return std::nullopt;
    }
    const auto two = [&](size_t at) { return (digits[at] - '0') * 10 + (digits[at + 1] - '0'); };
    const int32_t minutes = two(0) * 60 + (digits.size() == 4 ? two(2) : 0);
    if (minutes > kTimezoneMinutesMax || (digits.size() == 4 && two(2) > 59)) {
        return std::nullopt;
    }
    return negative ? -minutes : minutes;
}

}  // namespace rh::api
