// POST /v1/uploads.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "api/refusal.h"
#include "api/upload_body.h"
#include "api/upload_options.h"
#include "api/uploads.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/negotiate.h"

namespace rh::api {
namespace {

using http::Exchange;
using http::Response;

constexpr unsigned kWaitMaxS = 300;

// What makes two requests with one Idempotency-Key the same. The bytes of the file, not of the
// body: a form's boundary is another each time.
std::string fingerprint_of(const http::Request& request, const UploadBody& body,
                           const receive::Options& options) {
    return receive::hex(receive::sha256(
        fmt::format("{}\n{}\n{}\n{}\n{}", request.method, request.target, options.filename,
                    static_cast<int>(body.content_encoding()), body.file_sha256())));
}

class UploadPost {
  public:
    UploadPost(const UploadDependencies& dependencies, Exchange& exchange)
        : dependencies_(dependencies), exchange_(exchange) {}

    Result<void> run() {
        auto response = respond();
        return exchange_.send(response
                                  ? std::move(*response)
                                  : refusal(response.error(), exchange_.request(), kAcceptPost));
    }

  private:
    Result<Response> respond() {
        const http::Request& request = exchange_.request();
        RH_TRY(http::negotiate(request, std::array{http::kJson}));
        RH_ASSIGN(options_, read_upload_options(request));
        const std::string_view key = request.header("idempotency-key");
        std::optional<IdempotencyStore::Ticket> ticket;
        if (request.has_header("idempotency-key")) {
            RH_ASSIGN(auto begun, dependencies_.idempotency.begin(request.key_id, key));
            ticket.emplace(std::move(begun));
        }
        RH_ASSIGN(body_, UploadBody::open(exchange_, options_.digests.content));
        options_.content_encoding = body_->content_encoding();
        options_.in_form = body_->is_multipart();
        if (options_.in_form) {
            options_.digests.content.reset();  // of the whole body: UploadBody checks it
            if (options_.filename.empty()) {
                options_.filename = *body_->filename();
            }
        }
        if (!ticket) {
            return receive();
        }
        return ticket->kept() ? replay(*ticket->kept()) : receive_and_keep(*ticket);
    }

    Result<Response> replay(const IdempotencyStore::Kept& kept) {
        std::array<char, 64 * 1024> buffer{};
        size_t got = 1;
        while (got > 0) {
            RH_ASSIGN(got, body_->read(buffer));
        }
        if (kept.fingerprint != fingerprint_of(exchange_.request(), *body_, options_)) {
            return fail(ErrorKind::invalid_content, "idempotency_key_reused",
                        "This Idempotency-Key was used for another request (other bytes, file "
                        "name or parameters) within 24 hours. Use a new key.");
        }
        Response response = kept.response;
        response.headers.emplace_back("Idempotency-Replayed", "true");
        return response;
    }

    Result<Response> receive_and_keep(const IdempotencyStore::Ticket& ticket) {
        auto answer = receive();
        Response response =
            answer ? std::move(*answer) : refusal(answer.error(), exchange_.request(), kAcceptPost);
        // What may go better next time is not kept; nor what was refused before its end, for then
        // nobody knows what all of it was.
        const bool settled =
            response.status < 500 && response.status != 429 && !body_->file_sha256().empty();
        if (settled) {
            const auto kept = dependencies_.idempotency.keep(
                ticket, fingerprint_of(exchange_.request(), *body_, options_), response);
            if (!kept) {
                log_event(
                    LogLevel::warning, "an answer was not kept for its Idempotency-Key",
                    {{"reason", kept.error().message}, {"trace_id", exchange_.request().trace_id}});
            }
        }
        return response;
    }

    Result<Response> receive() {
        const int64_t begun_ms = monotonic_ms();
        RH_ASSIGN(receive::Received received,
                  dependencies_.receiver.receive(
                      [this](std::span<char> buffer) { return body_->read(buffer); }, options_));
        if (received.created) {
            dependencies_.service.submit(received.upload.id, monotonic_ms() - begun_ms);
        }
        Response response;
        response.headers = {
            {"Location", fmt::format("/v1/uploads/{}", model::to_string(received.upload.id))},
            {"Cache-Control", "no-store"}};
        if (const auto wait = http::preferred_wait_s(exchange_.request())) {
            const unsigned seconds = std::min(*wait, kWaitMaxS);
            RH_ASSIGN(received.upload,
                      dependencies_.service.wait_final(received.upload.id, seconds, [this] {
                          return exchange_.stopping() || !exchange_.client_is_there();
                      }));
            response.headers.emplace_back("Preference-Applied", fmt::format("wait={}", seconds));
        }
        const bool elsewhere = std::ranges::any_of(
            received.upload.warnings,
            [](const auto& warning) { return warning.code == uploads::kStoredElsewhere; });
        received.duplicate = received.duplicate || elsewhere;
        const bool final = uploads::is_final(received.upload.state);
        response.status = final || received.duplicate ? 200 : 202;
        if (!final) {
            response.headers.emplace_back("Retry-After", "1");
        }
        response.body = current_upload_json(dependencies_, received.upload, received.duplicate);
        return response;
    }

    const UploadDependencies& dependencies_;
    Exchange& exchange_;
    receive::Options options_;
    std::unique_ptr<UploadBody> body_;
};

}  // namespace

void add_upload_post_route(http::Router& router, const UploadDependencies& dependencies) {
    router.add(
        {.method = "POST",
         .pattern = "/v1/uploads",
         .scope = http::Scope::upload,
         .query = upload_parameter_names(),
         .handler = [dependencies](
                        Exchange& exchange) { return UploadPost(dependencies, exchange).run(); },
         .slow = true});
}

}  // namespace rh::api
