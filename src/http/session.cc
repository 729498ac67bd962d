#include "http/session.h"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/body_reader.h"
#include "http/cors.h"
#include "http/header_gate.h"
#include "http/problem.h"
#include "http/request_builder.h"
#include "http/response_head.h"

namespace rh::http {
namespace {

// Unread bytes of a body that are skipped to keep the connection; with more it is closed.
constexpr uint64_t kDiscardBytesMax = 256 * 1024;

class Session final : public Exchange {
  public:
    Session(SessionContext& context, ClientStream& stream, Slot& slot, const Head& head,
            Request& request)
        : context_(context),
          stream_(stream),
          slot_(slot),
          http_1_0_(head.http_1_0),
          keep_alive_(head.keep_alive),
          content_length_(head.content_length),
          body_(stream, head, context.options.body_bytes_max),
          request_(request) {}

    const Request& request() const override { return request_; }
    Result<size_t> read_body(std::span<char> buffer) override { return body_.read(buffer); }
    std::optional<uint64_t> content_length() const override { return content_length_; }
    Result<std::string> read_whole_body(size_t bytes_max) override;
    Result<void> send(Response response) override;
    Result<void> begin(int status, std::string_view content_type, const Headers& headers) override;
    Result<void> write(std::string_view bytes) override;
    Result<void> end() override;
    bool stopping() const override { return context_.stopping; }
    bool client_is_there() const override { return !stream_.peer_closed(); }

    bool answered() const { return state_ != State::fresh; }
    int status() const { return status_; }
    const BodyReader& body() const { return body_; }
    // After the handler: how the connection goes on.
    SessionOutcome outcome();

  private:
    enum class State : uint8_t { fresh, streaming, done, broken };

    // Decides, before the head of the answer is written, whether the connection can be kept.
    void settle_connection();
    Framing framing() const { return {.close = !keep_alive_, .http_1_0 = http_1_0_}; }
    bool is_head() const { return request_.method == "HEAD"; }
    Result<void> note(Result<void> written);
    Headers with_cors(Headers headers) const;

    SessionContext& context_;
    ClientStream& stream_;
    Slot& slot_;
    const bool http_1_0_;
    bool keep_alive_;
    std::optional<uint64_t> content_length_;
    BodyReader body_;
    Request& request_;
    State state_ = State::fresh;
    int status_ = 0;
    bool chunked_ = false;              // of a streamed answer
    std::optional<uint64_t> to_write_;  // left of a streamed answer with a Content-Length
};

Result<std::string> Session::read_whole_body(size_t bytes_max) {
    const auto too_large = [&] {
        return fail(
            ErrorKind::too_large, "body_too_large",
            fmt::format("The body is larger than the {} bytes that are read here.", bytes_max));
    };
    if (content_length_.value_or(0) > bytes_max) {
        return too_large();
    }
    std::string whole;
    std::array<char, 16 * 1024> buffer{};
    while (true) {
        RH_ASSIGN(const size_t got, body_.read(buffer));
        if (got == 0) {
            return whole;
        }
        if (whole.size() + got > bytes_max) {
            return too_large();
        }
        whole.append(buffer.data(), got);
    }
}

void Session::settle_connection() {
    const std::optional<uint64_t> left = body_.remaining();
    if (body_.continue_pending() || !left || *left > kDiscardBytesMax || context_.stopping) {
        keep_alive_ = false;
    }
}

Result<void> Session::note(Result<void> written) {
    if (!written) {
        state_ = State::broken;
        keep_alive_ = false;
    }
    return written;
}

Headers Session::with_cors(Headers headers) const {
    for (auto& header : cors_headers(request_, context_.options.cors_origins)) {
        headers.push_back(std::move(header));
    }
    return headers;
}

Result<void> Session::send(Response response) {
    settle_connection();
    status_ = response.status;
    Framing answer = framing();
    if (!has_no_body(response.status)) {
        answer.content_length = response.body.size();
    }
    const std::string head =
        response_head(response.status, response.content_type,
                      with_cors(std::move(response.headers)), answer, request_.trace_id);
    const bool bare = is_head() || has_no_body(response.status);
    state_ = State::done;
    return note(stream_.write(
        std::array<std::string_view, 2>{head, bare ? std::string_view() : response.body}));
}

Result<void> Session::begin(int status, std::string_view content_type, const Headers& headers) {
    if (!is_head()) {
        RH_TRY(slot_.take());
    }
    settle_connection();
    status_ = status;
    const auto length = std::ranges::find(headers, "Content-Length", &Headers::value_type::first);
    if (length != headers.end()) {
        to_write_ = std::stoull(length->second);
    }
    chunked_ = !http_1_0_ && !to_write_;
    keep_alive_ = keep_alive_ && (chunked_ || to_write_);
    Framing answer = framing();
    answer.chunked = chunked_;
    state_ = State::streaming;
    return note(stream_.write(
        response_head(status, content_type, with_cors(headers), answer, request_.trace_id)));
}

Result<void> Session::write(std::string_view bytes) {
    if (bytes.empty() || is_head()) {
        return {};
    }
    if (to_write_) {
        RH_ASSERT(bytes.size() <= *to_write_);
        *to_write_ -= bytes.size();
    }
    if (!chunked_) {
        return note(stream_.write(bytes));
    }
    const std::string size = fmt::format("{:x}\r\n", bytes.size());
    return note(stream_.write(std::array<std::string_view, 3>{size, bytes, "\r\n"}));
}

Result<void> Session::end() {
    RH_ASSERT(is_head() || to_write_.value_or(0) == 0);
    if (chunked_ && !is_head()) {
        RH_TRY(note(stream_.write("0\r\n\r\n")));
    }
    state_ = State::done;
    return {};
}

SessionOutcome Session::outcome() {
    SessionOutcome outcome;
    if (state_ != State::done) {
        outcome.next =
            http_1_0_ && !to_write_ ? SessionOutcome::Next::reset : SessionOutcome::Next::linger;
        return outcome;
    }
    if (!keep_alive_) {
        return outcome;
    }
    outcome.next = SessionOutcome::Next::keep_alive;
    outcome.received = stream_.take_received();
    outcome.discard = body_.remaining().value_or(0);
    return outcome;
}

bool may(const Principal& principal, const Route& route) {
    return std::ranges::any_of(principal.scopes, [&route](Scope has) {
        return has == route.scope || has == Scope::admin ||
               (route.or_scope != Scope::none && has == route.or_scope);
    });
}

std::string_view name_of(Scope scope) {
    switch (scope) {
        case Scope::none:
            return "none";
        case Scope::upload:
            return "upload";
        case Scope::read:
            return "read";
        case Scope::reconcile:
            return "reconcile";
        case Scope::admin:
            return "admin";
    }
    return "";
}

Result<void> authorize(SessionContext& context, const Route& route, Request& request) {
    const bool open = !route.scope_with.empty() && !request.query_value(route.scope_with);
    if (route.scope == Scope::none || open) {
        return {};
    }
    RH_ASSIGN(const Principal principal, context.authenticate(request.header("authorization")));
    if (!may(principal, route)) {
        return fail(ErrorKind::forbidden, "missing_scope",
                    fmt::format("The key {} has no scope {}, which this call needs. Create one "
                                "with it: roundhouse keys create --data DIR --scope {}.",
                                principal.key_name, name_of(route.scope), name_of(route.scope)));
    }
    request.key_id = principal.key_id;
    return {};
}

Result<void> answer_options(SessionContext& context, Session& session, const Request& request) {
    if (request.target == "*") {
        return session.send(
            {.status = 204, .headers = {{"Allow", "GET, HEAD, POST, DELETE, OPTIONS"}}});
    }
    const auto allowed = context.router.allowed_methods(request.path);
    if (allowed.empty()) {
        RH_TRY(context.router.match("GET", request.path));
    }
    Headers headers = preflight_headers(request, context.options.cors_origins, allowed);
    headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
    return session.send({.status = 204, .headers = std::move(headers)});
}

Result<void> answer(SessionContext& context, Session& session, Request& request,
                    std::string& route_pattern) {
    RH_TRY(
        check_origin(request, context.options.loopback_hosts_only, context.options.cors_origins));
    if (request.method == "OPTIONS") {
        return answer_options(context, session, request);
    }
    RH_ASSIGN(auto match, context.router.match(request.method, request.path));
    const Route& route = *match.route;
    route_pattern = route.pattern;
    request.path_parameters = std::move(match.path_parameters);
    RH_TRY(authorize(context, route, request));
    RH_TRY(check_query(route, request));
    Slot slot = transfer_slot(context.transfers_taken, context.options.worker_threads);
    if (route.slow) {
        RH_TRY(slot.take());
    }
    return route.handler(session);
}

// The top of a worker's stack: what a handler throws becomes a 500.
Result<void> answer_guarded(SessionContext& context, Session& session, Request& request,
                            std::string& route_pattern) {
    try {
        return answer(context, session, request, route_pattern);
    } catch (const std::exception& exception) {
        log_event(LogLevel::error, "a handler threw",
                  {{"what", exception.what()}, {"trace_id", request.trace_id}});
        return fail(ErrorKind::internal, "internal_error",
                    "Something broke in the server; its log has the details under this trace_id.");
    }
}

void send_problem(SessionContext& context, Session& session, const Request& request,
                  const Error& error) {
    if (session.answered()) {
        log_event(
            LogLevel::warning, "an answer was cut",
            {{"code", error.code}, {"detail", error.message}, {"trace_id", request.trace_id}});
        return;
    }
    Response response = problem(error, request.path, request.trace_id);
    if (response.status == 405) {
        response.headers.emplace_back(
            "Allow",
            fmt::format("{}", fmt::join(context.router.allowed_methods(request.path), ", ")));
    }
    if (response.status >= 500) {
        log_event(
            LogLevel::error, "a request failed",
            {{"code", error.code}, {"detail", error.message}, {"trace_id", request.trace_id}});
    }
    // A client that is gone needs no answer.
    [[maybe_unused]] const auto sent = session.send(std::move(response));
}

SessionOutcome run_request(SessionContext& context, ClientStream& stream, Slot& slot,
                           const Head& head, Request request) {
    const int64_t begin = monotonic_ms();
    std::string route;
    Session session(context, stream, slot, head, request);
    auto result = answer_guarded(context, session, request, route);
    if (result && !session.answered()) {
        result = fail(ErrorKind::internal, "internal_error", "The server gave no answer.");
    }
    if (!result) {
        send_problem(context, session, request, result.error());
    }
    const auto took_ms = monotonic_ms() - begin;
    const Observation observation{.method = request.method,
                                  .route = route,
                                  .status = session.status(),
                                  .seconds = static_cast<double>(took_ms) / 1000,
                                  .bytes_in = session.body().bytes_read(),
                                  .bytes_out = stream.bytes_written()};
    if (context.observe) {
        context.observe(observation);
    }
    log_event(LogLevel::info, "request",
              {{"method", request.method},
               {"path", request.path},
               {"status", observation.status},
               {"ms", took_ms},
               {"bytes_in", observation.bytes_in},
               {"bytes_out", observation.bytes_out},
               {"trace_id", request.trace_id}});
    return session.outcome();
}

SessionOutcome refuse(ClientStream& stream, const Error& error, const std::string& peer) {
    log_event(LogLevel::info, "request refused",
              {{"code", error.code}, {"status", status_of(error)}, {"peer", peer}});
    [[maybe_unused]] const auto sent = stream.write(closing_answer(error));
    return {};
}

}  // namespace

SessionOutcome run_session(SessionContext& context, int fd, std::string received, size_t head_bytes,
                           const std::string& peer) {
    const ServerOptions& options = context.options;
    auto head = parse_head(std::string_view(received).substr(0, head_bytes),
                           {.target_bytes_max = options.target_bytes_max});
    received.erase(0, head_bytes);
    Slot slot = answer_slot(context.answers_taken, options.worker_threads);
    ClientStream stream(fd, std::move(received),
                        {.read_timeout_s = options.read_timeout_s,
                         .write_timeout_s = options.write_timeout_s,
                         .bytes_per_second_min = options.bytes_per_second_min},
                        context.drained, slot);
    if (!head) {
        return refuse(stream, head.error(), peer);
    }
    const Head framing = *head;
    auto request = build_request(std::move(*head), peer);
    if (!request) {
        return refuse(stream, request.error(), peer);
    }
    return run_request(context, stream, slot, framing, std::move(*request));
}

std::string closing_answer(const Error& error) {
    const std::string trace_id = trace_id_of("");
    const Response response = problem(error, "", trace_id);
    return response_head(response.status, response.content_type, response.headers,
                         {.close = true, .content_length = response.body.size()}, trace_id) +
           response.body;
}

}  // namespace rh::http
