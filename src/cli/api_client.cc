#include "cli/api_client.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/trim.h"
#include "cli/json.h"
#include "http/text.h"
#include "io/file.h"

namespace rh::cli {
namespace {

constexpr size_t kFaultsShownMax = 5;
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kFlagOfParameter = {
    {{"Send it with Content-Encoding: gzip or zstd, or", "Let its name end in .gz or .zst, or"},
     {"The body cannot be unpacked", "The file cannot be unpacked"},
     {"The request says ", "--encoding says "},
     {"without Content-Encoding.", "under a name that does not end in .gz or .zst."},
     {"send allow_negative=true", "say --allow-negative"},
     {"allow_duplicate=LABEL", "--allow-duplicate LABEL"},
     {"allow_negative=true", "--allow-negative"},
     {"empty_amount=reject", "--empty-amount reject"},
     {"on_error=abort", "--on-error abort"},
     {"on_error (", "--on-error ("},
     {"max_errors=", "--max-errors "},
     {"leave out max_errors", "leave out --max-errors"},
     {"max_errors (", "--max-errors ("},
     {"without dry_run", "without --dry-run"},
     {"see rejected_examples", "the first of them are below"},
     {" (the + as %2B)", ""}}};
constexpr std::string_view kHowToGiveAKey =
    "--key-file FILE or ROUNDHOUSE_API_KEY gives one; `roundhouse keys create --data DIR --scope "
    "SCOPE` makes one.";

std::unexpected<Error> bad_url(const std::string& url) {
    return fail(ErrorKind::invalid_request, "bad_server_url",
                fmt::format("\"{}\" is no server URL. Write http://HOST:PORT, or https://HOST:PORT "
                            "for one behind a proxy that speaks TLS.",
                            app::without_login(url)));
}

Result<io::HttpClientOptions> parse_url(const std::string& url, const std::string& ca_file) {
    constexpr std::string_view kHttp = "http://";
    constexpr std::string_view kHttps = "https://";
    std::string_view rest = url;
    const bool https = rest.starts_with(kHttps);
    if (!https && !rest.starts_with(kHttp)) {
        return bad_url(url);
    }
    rest.remove_prefix(https ? kHttps.size() : kHttp.size());
    if (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    io::HttpClientOptions options;
    options.port = https ? 443 : 80;
    // `Prefer: wait` is not used, but the end of a large upload may take the server a while.
    options.read_timeout_ms = 300'000;
    const size_t colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && !rest.ends_with(']');
    std::string_view host = has_port ? rest.substr(0, colon) : rest;
    if (has_port) {
        const auto digits = rest.substr(colon + 1);
        const auto parsed =
            std::from_chars(digits.data(), digits.data() + digits.size(), options.port);
        if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) {
            return bad_url(url);
        }
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    if (host.empty() || host.find_first_of("/@") != std::string_view::npos || options.port == 0) {
        return bad_url(url);
    }
    options.host = host;
    if (https) {
        RH_ASSIGN(options.tls, io::TlsContext::create(ca_file));
    }
    return options;
}

std::optional<unsigned> seconds_of(std::string_view text) {
    unsigned seconds = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return parsed.ec == std::errc{} ? std::optional(seconds) : std::nullopt;
}

ErrorKind kind_of_status(int status) {
    switch (status) {
        case 401:
            return ErrorKind::unauthorized;
        case 403:
            return ErrorKind::forbidden;
        case 404:
            return ErrorKind::not_found;
        case 409:
            return ErrorKind::conflict;
        case 413:
            return ErrorKind::too_large;
        case 415:
            return ErrorKind::unsupported;
        case 422:
            return ErrorKind::invalid_content;
        case 429:
            return ErrorKind::busy;
        case 408:
        case 503:
            return ErrorKind::unavailable;
        case 507:
            return ErrorKind::storage_full;
        default:
            return status >= 500 ? ErrorKind::internal : ErrorKind::invalid_request;
    }
}

Error error_of_problem(int status, const boost::json::object& problem) {
    Error error{kind_of_status(status), text_at(problem, "code"), shown_at(problem, "detail")};
    if (error.code == "body_cut") {
        error.kind = ErrorKind::unavailable;  // the way there broke; what was sent was not wrong
    }
    if (error.code.empty()) {
        error.code = fmt::format("http_{}", status);
    }
    if (error.message.empty()) {
        error.message = fmt::format("The server answered with status {}.", status);
    }
    error.message = in_flags(std::move(error.message));
    if (error.code == "missing_key") {
        error.message = fmt::format("The server wants an API key. {}", kHowToGiveAKey);
    } else if (error.code == "invalid_key") {
        error.message = fmt::format("The server does not know this API key, or it was revoked. {}",
                                    kHowToGiveAKey);
    }
    error.trace_id = shown_at(problem, "trace_id");
    if (const auto* faults = problem.if_contains("errors"); faults && faults->is_array()) {
        const auto& list = faults->get_array();
        for (size_t i = 0; i < std::min(list.size(), kFaultsShownMax); ++i) {
            if (list[i].is_object()) {
                error.message +=
                    fmt::format("\n  {}", in_flags(shown_at(list[i].get_object(), "detail")));
            }
        }
    }
    return error;
}

}  // namespace

std::string in_flags(std::string sentence) {
    for (const auto& [parameter, flag] : kFlagOfParameter) {
        for (size_t at = sentence.find(parameter); at != std::string::npos;
             at = sentence.find(parameter, at + flag.size())) {
            sentence.replace(at, parameter.size(), flag);
        }
    }
    return sentence;
}

std::string with_query(std::string_view path, const Query& query) {
    std::string target(path);
    char separator = '?';
    for (const auto& [name, value] : query) {
        if (!value.empty()) {
            target += fmt::format("{}{}={}", separator, name, io::percent_encode(value));
            separator = '&';
        }
    }
    return target;
}

ApiClient::ApiClient(std::string url, std::string authorization, io::HttpClientOptions options)
    : url_(std::move(url)),
      authorization_(std::move(authorization)),
      http_(std::make_unique<io::HttpClient>(std::move(options))) {}

Result<ApiClient> ApiClient::open(const app::Config& config) {
    RH_ASSIGN(io::HttpClientOptions options, parse_url(config.server, config.tls_ca_file));
    std::string key = config.api_key;
    if (key.empty() && !config.key_file.empty()) {
        RH_ASSIGN(key, io::read_file(config.key_file));
        key = trim_blanks(key.substr(0, key.find_first_of("\r\n")));
        if (key.empty()) {
            return fail(
                ErrorKind::invalid_request, "no_key_in_file",
                fmt::format("The key file {} has no key in its first line.", config.key_file));
        }
    }
    return ApiClient(config.server, key.empty() ? "" : "Bearer " + key, std::move(options));
}

Result<std::unique_ptr<io::HttpResponse>> ApiClient::ask(const io::HttpRequest& request) const {
    auto answer = http_->send(request);
    if (!answer && answer.error().kind == ErrorKind::unavailable) {
        answer.error().message +=
            " Is the server running? --server or ROUNDHOUSE_SERVER names another one.";
    }
    return answer;
}

Result<ApiClient::Plain> ApiClient::get_plain(const std::string& target) const {
    RH_ASSIGN(const auto answer, ask({.target = target, .read_timeout_ms = 10'000}));
    RH_ASSIGN(std::string text, answer->read_all());
    return Plain{.status = answer->status(), .text = std::move(text)};
}

Result<boost::json::object> ApiClient::send(io::HttpRequest request) const {
    if (!authorization_.empty()) {
        request.headers.emplace_back("Authorization", authorization_);
    }
    request.headers.emplace_back("Accept", "application/json");
    RH_ASSIGN(const auto answer, ask(request));
    RH_ASSIGN(const std::string body, answer->read_all());
    boost::system::error_code parse_error;
    boost::json::value value = boost::json::parse(body, parse_error);
    const int status = answer->status();
    if (status >= 400) {
        const bool is_problem = !parse_error && value.is_object();
        Error error =
            error_of_problem(status, is_problem ? value.get_object() : boost::json::object());
        error.retry_after_s = seconds_of(answer->header("Retry-After"));
        return std::unexpected(std::move(error));
    }
    if (body.empty()) {
        return boost::json::object();
    }
    if (parse_error || !value.is_object()) {
        return fail(ErrorKind::internal, "unexpected_answer",
                    fmt::format("{} did not answer like a roundhouse server.", url_));
    }
    return std::move(value.get_object());
}

Result<boost::json::object> ApiClient::get(const std::string& target) const {
    return send({.method = "GET", .target = target});
}

Result<void> ApiClient::pages(std::string_view path, const Query& query,
                              const TakePage& take) const {
    std::string cursor;
    do {
        Query with_cursor = query;
        with_cursor.emplace_back("cursor", cursor);
        RH_ASSIGN(boost::json::object page, get(with_query(path, with_cursor)));
        RH_ASSIGN(const bool more, take(page));
        if (!more) {
            return {};
        }
        cursor = text_at(page, "next_cursor");
    } while (!cursor.empty());
    return {};
}

}  // namespace rh::cli
