// GET /v1/uploads/{id}/events: server-sent events, each with the JSON of GET /v1/uploads/{id}:
// `progress` and `state` while it runs, at last `done` (stored, checked, cancelled) or `error`
// (failed, refused, or the upload was deleted), after which the stream ends.
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "api/upload_json.h"
#include "api/uploads.h"
#include "http/problem.h"
#include "http/sse.h"

namespace rh::api {
namespace {

using http::Exchange;
using uploads::ProgressBoard;
using uploads::State;

// How often a waiting stream looks whether the server stops or the client has gone.
constexpr std::chrono::milliseconds kLookAround{500};

std::string_view final_event(State state) {
    return state == State::failed || state == State::refused ? "error" : "done";
}

class EventStream {
  public:
    EventStream(const UploadDependencies& dependencies, Exchange& exchange)
        : dependencies_(dependencies), exchange_(exchange), events_(exchange) {}

    Result<void> run() {
        const http::Request& request = exchange_.request();
        RH_ASSIGN(uploads::Upload upload, find_upload(dependencies_, request));
        if (!uploads::is_final(upload.state)) {
            RH_TRY(dependencies_.layout.check_held_here(upload));
        }
        const uint64_t seen = http::last_event_id(request).value_or(0);
        const auto newest = dependencies_.board.find(upload.id);
        if (uploads::is_final(upload.state) && newest && seen >= newest->number) {
            // To an EventSource 204 says that it need not come again: it has seen the end.
            return exchange_.send({.status = 204});
        }
        RH_TRY(events_.begin());
        if (request.method == "HEAD") {
            return exchange_.end();
        }
        RH_TRY(follow(std::move(upload), seen));
        return exchange_.end();
    }

  private:
    Result<void> follow(uploads::Upload upload, uint64_t seen) {
        std::optional<State> told;
        while (true) {
            const auto change = dependencies_.board.find(upload.id);
            const auto id = change ? std::optional(change->number) : std::nullopt;
            if (uploads::is_final(upload.state)) {
                return events_.event(final_event(upload.state), id,
                                     current_upload_json(dependencies_, upload));
            }
            add_passing_warnings(dependencies_, upload);
            const std::string json = upload_json(upload, change, false);
            if (told != upload.state || !change || change->number > seen) {
                RH_TRY(events_.event(told == upload.state ? "progress" : "state", id, json));
                told = upload.state;
                seen = std::max(seen, id.value_or(0));
            }
            if (!wait(upload.id, seen)) {
                return {};
            }
            RH_TRY(events_.heartbeat());
            RH_ASSIGN(auto found, dependencies_.ledger.find(upload.id));
            if (!found) {
                return tell_deleted();
            }
            upload = std::move(*found);
        }
    }

    // Until something changed or a heartbeat may be due. False: the stream ends, since the server
    // stops or the client has gone.
    bool wait(const model::UploadId& id, uint64_t seen) const {
        dependencies_.board.wait_for_change(id, seen, kLookAround);
        return !exchange_.stopping() && exchange_.client_is_there();
    }

    Result<void> tell_deleted() {
        const http::Request& request = exchange_.request();
        const http::Response problem =
            http::problem({ErrorKind::not_found, "upload_not_found", "The upload was deleted."},
                          request.path, request.trace_id);
        return events_.event("error", std::nullopt, problem.body);
    }

    const UploadDependencies& dependencies_;
    Exchange& exchange_;
    http::SseWriter events_;
};

}  // namespace

void add_upload_event_route(http::Router& router, const UploadDependencies& dependencies) {
    router.add(
        {.method = "GET",
         .pattern = "/v1/uploads/{id}/events",
         .scope = http::Scope::read,
         .query = {},
         .handler = [dependencies](
                        Exchange& exchange) { return EventStream(dependencies, exchange).run(); },
         .or_scope = http::Scope::upload});
}

}  // namespace rh::api
