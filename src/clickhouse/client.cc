#include "clickhouse/client.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "clickhouse/exception.h"
#include "io/http_client.h"

namespace rh::clickhouse {
namespace {

constexpr int kConnectTimeoutMs = 5'000;
constexpr int kPingTimeoutMs = 2'000;

// A parameter's value is read by ClickHouse as a field of TSV: these characters are escapes in it.
std::string escaped_text(std::string_view value) {
    std::string text;
    for (const char c : value) {
        switch (c) {
            case '\\':
                text += "\\\\";
                break;
            case '\t':
                text += "\\t";
                break;
            case '\n':
                text += "\\n";
                break;
            case '\r':
                text += "\\r";
                break;
            case '\0':
                text += "\\0";
                break;
            default:
                text += c;
        }
    }
    return text;
}

Error unreachable(const std::string& shard, const Error& cause) {
    if (!shard.empty()) {
        return {ErrorKind::unavailable, "shard_unavailable",
                fmt::format("ClickHouse's {} does not answer. {}", shard, cause.message),
                Verdict::retry};
    }
    return {ErrorKind::unavailable, "clickhouse_unavailable",
            fmt::format("ClickHouse does not answer. {}", cause.message), Verdict::retry};
}

Error refused(const std::string& shard, Error error) {
    if (!shard.empty()) {
        error.message = fmt::format("On {}: {}", shard, error.message);
    }
    return error;
}

class FilteredResponse : public ResponseStream {
  public:
    FilteredResponse(std::shared_ptr<const io::HttpClient> http, std::string shard,
                     std::unique_ptr<io::HttpResponse> response)
        : http_(std::move(http)),
          shard_(std::move(shard)),
          response_(std::move(response)),
          // NOLINTNEXTLINE(bugprone-throw-keyword-missing): it is a filter, and nothing to throw
          filter_(response_->header("X-ClickHouse-Exception-Tag")) {}

    Result<std::string_view> next() override {
        while (!ended_) {
            auto piece = response_->next();
            if (piece && !piece->empty()) {
                if (const std::string_view data = filter_.push(*piece); !data.empty()) {
                    return data;
                }
                continue;
            }
            // A server that failed may cut the connection after its exception: what it said counts.
            if (!piece && !filter_.found()) {
                return std::unexpected(unreachable(shard_, piece.error()));
            }
            ended_ = true;
            auto rest = filter_.finish();
            if (!rest) {
                return std::unexpected(refused(shard_, std::move(rest).error()));
            }
            return rest;
        }
        return std::string_view();
    }

  private:
    std::shared_ptr<const io::HttpClient> http_;
    const std::string shard_;
    std::unique_ptr<io::HttpResponse> response_;
    ExceptionFilter filter_;
    bool ended_ = false;
};

}  // namespace

struct Client::Impl {
    Endpoint endpoint;
    std::shared_ptr<const io::HttpClient> http;

    std::string target(const Parameters& parameters, const Settings& settings,
                       std::string_view sql) const {
        std::string path = "/?";
        const auto add = [&](std::string_view name, std::string_view value) {
            path += fmt::format("{}{}={}", path.back() == '?' ? "" : "&", io::percent_encode(name),
                                io::percent_encode(value));
        };
        const bool other_database = std::ranges::any_of(
            settings, [](const auto& setting) { return setting.first == "database"; });
        if (!other_database) {
            add("database", endpoint.database);
        }
        for (const auto* list : {&endpoint.settings, &settings}) {
            for (const auto& [name, value] : *list) {
                add(name, value);
            }
        }
        for (const auto& [name, value] : parameters) {
            add("param_" + name, escaped_text(value));
        }
        if (!sql.empty()) {
            add("query", sql);
        }
        return path;
    }

    Result<std::unique_ptr<ResponseStream>> post(std::string target,
                                                 std::span<const std::string_view> body) const {
        io::HttpRequest request;
        request.body = body;
        return post(std::move(target), std::move(request));
    }

    Result<std::unique_ptr<ResponseStream>> post(std::string target,
                                                 io::HttpRequest request) const {
        request.method = "POST";
        request.target = std::move(target);
        request.headers = {{"X-ClickHouse-User", endpoint.user},
                           {"X-ClickHouse-Key", endpoint.password}};
        auto response = http->send(request);
        if (!response) {
            return std::unexpected(unreachable(endpoint.shard, response.error()));
        }
        if ((*response)->status() == 200) {
            return std::make_unique<FilteredResponse>(http, endpoint.shard, std::move(*response));
        }
        const auto text = (*response)->read_all();
        if (!text) {
            return std::unexpected(unreachable(endpoint.shard, text.error()));
        }
        const Error error = exception_error(
            text->empty() ? fmt::format("Status {} without a reason", (*response)->status())
                          : *text);
        return std::unexpected(refused(endpoint.shard, error));
    }
};

Client::Client(Endpoint endpoint, int answer_timeout_ms) : impl_(std::make_unique<Impl>()) {
    io::HttpClientOptions options;
    options.host = endpoint.host;
    options.port = endpoint.port;
    options.connect_timeout_ms = kConnectTimeoutMs;
    options.read_timeout_ms = answer_timeout_ms;
    options.write_timeout_ms = answer_timeout_ms;
    RH_ASSERT(endpoint.tls != nullptr || !endpoint.https);
    options.tls = endpoint.tls;
    impl_->http = std::make_shared<const io::HttpClient>(options);
    impl_->endpoint = std::move(endpoint);
}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
const Endpoint& Client::endpoint() const { return impl_->endpoint; }

namespace {

constexpr size_t kAnswerBytesMax = 64U << 20;

Result<std::string> read_all(ResponseStream& stream) {
    std::string all;
    while (true) {
        RH_ASSIGN(const std::string_view bytes, stream.next());
        if (bytes.empty()) {
            return all;
        }
        if (all.size() + bytes.size() > kAnswerBytesMax) {
            return fail(ErrorKind::internal, "clickhouse_answer_too_large",
                        "ClickHouse sent an answer of more than 64 MiB where a small one was due.");
        }
        all += bytes;
    }
}

}  // namespace

Result<std::string> Client::query(std::string_view sql, const Parameters& parameters,
                                  const Settings& settings) const {
    const std::string target = impl_->target(parameters, settings, {}) + "&wait_end_of_query=1";
    RH_ASSIGN(const auto stream, impl_->post(target, {&sql, 1}));
    return read_all(*stream);
}

Result<std::unique_ptr<ResponseStream>> Client::stream(std::string_view sql,
                                                       const Parameters& parameters,
                                                       const Settings& settings) const {
    // A reader that drops the stream stops the query.
    const std::string target =
        impl_->target(parameters, settings, {}) + "&cancel_http_readonly_queries_on_client_close=1";
    return impl_->post(target, {&sql, 1});
}

Result<void> Client::insert(std::string_view sql, std::span<const std::string_view> body,
                            const Parameters& parameters, const Settings& settings) const {
    const std::string target = impl_->target(parameters, settings, sql) + "&wait_end_of_query=1";
    RH_ASSIGN(const auto stream, impl_->post(target, body));
    RH_TRY(read_all(*stream));
    return {};
}

Result<void> Client::insert(std::string_view sql,
                            const std::function<Result<std::string_view>()>& next_body,
                            const Parameters& parameters, const Settings& settings) const {
    io::HttpRequest request;
    request.next_body = next_body;
    const std::string target = impl_->target(parameters, settings, sql) + "&wait_end_of_query=1";
    RH_ASSIGN(const auto stream, impl_->post(target, std::move(request)));
    RH_TRY(read_all(*stream));
    return {};
}

void Client::abort() const { impl_->http->abort(); }

Result<void> Client::ping() const {
    io::HttpRequest request;
    request.target = "/ping";
    request.read_timeout_ms = kPingTimeoutMs;
    auto response = impl_->http->send(request);
    if (!response) {
        return std::unexpected(unreachable(impl_->endpoint.shard, response.error()));
    }
    const auto text = (*response)->read_all(1024);
    if (!text || *text != "Ok.\n") {
        return fail(ErrorKind::unavailable, "clickhouse_unavailable",
                    fmt::format("{}:{} answers, but not as ClickHouse does.", impl_->endpoint.host,
                                impl_->endpoint.port),
                    Verdict::retry);
    }
    return {};
}

std::string array_parameter(std::span<const std::string> elements) {
    std::string text = "[";
    for (const std::string& element : elements) {
        text += text.size() == 1 ? "'" : ",'";
        for (const char c : element) {
            // Backslashes and tabs are escaped when the parameter is sent: ClickHouse reads an
            // array's elements with the same escapes as a string alone.
            if (c == '\'') {
                text += '\'';
            }
            text += c;
        }
        text += '\'';
    }
    return text + "]";
}

std::string array_parameter(std::span<const int64_t> elements) {
    return fmt::format("[{}]", fmt::join(elements, ","));
}

}  // namespace rh::clickhouse
