#include "api/uploads.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/page_cursor.h"
#include "api/upload_json.h"
#include "http/negotiate.h"
#include "receive/identity.h"
#include "receive/receiver.h"

namespace rh::api {
namespace {

using http::Exchange;
using http::Scope;
using uploads::Upload;

constexpr size_t kLimitDefault = 100;
constexpr size_t kLimitMax = 10'000;

std::unexpected<Error> no_such_upload(std::string_view id) {
    return fail(ErrorKind::not_found, "upload_not_found",
                fmt::format("There is no upload {}.", id));
}

Result<model::UploadId> id_of(const http::Request& request) {
    const auto id = model::parse_upload_id(request.parameter("id"));
    if (!id) {
        return no_such_upload(request.parameter("id"));
    }
    return *id;
}

http::Response json_response(std::string body) {
    return {.body = std::move(body), .headers = {{"Cache-Control", "no-store"}}};
}

using Place = std::pair<int64_t, model::UploadId>;

Result<Place> place_of(std::string_view scope, std::string_view cursor) {
    RH_ASSIGN(const std::string position, decode_page_cursor(scope, cursor));
    const size_t colon = std::min(position.find(':'), position.size());
    int64_t created_at = 0;
    const auto parsed = std::from_chars(position.data(), position.data() + colon, created_at);
    const auto id = model::parse_upload_id(
        std::string_view(position).substr(std::min(colon + 1, position.size())));
    if (parsed.ec != std::errc{} || parsed.ptr != position.data() + colon || !id) {
        return fail(ErrorKind::invalid_request, "bad_cursor",
                    "The cursor is damaged; take next_cursor of the page before as it is.");
    }
    return Place{created_at, *id};
}

Result<uploads::Ledger::ListFilter> filter_of(const http::Request& request) {
    uploads::Ledger::ListFilter filter;
    if (const auto state = request.query_value("state")) {
        filter.state = uploads::parse_state(*state);
        if (!filter.state) {
            return fail(ErrorKind::invalid_request, "bad_state",
                        fmt::format("state={} is none of validating, publishing, storing, stored, "
                                    "failed, refused, cancelled, checked.",
                                    *state));
        }
    }
    filter.filename = request.query_value("filename").value_or("");
    filter.sha256 = request.query_value("sha256").value_or("");
    return filter;
}

// How many uploads there are on all pages, if that was asked for.
Result<std::optional<uint64_t>> count_of(const UploadDependencies& dependencies,
                                         const http::Request& request,
                                         const uploads::Ledger::ListFilter& filter) {
    const auto wanted = request.query_value("count");
    if (!wanted) {
        return std::nullopt;
    }
    if (*wanted != "exact") {
        return fail(ErrorKind::invalid_request, "bad_count",
                    fmt::format("count={} is not exact. Leave it out for no count.", *wanted));
    }
    return dependencies.ledger.count(filter);
}

Result<void> list_uploads(const UploadDependencies& dependencies, Exchange& exchange) {
    const http::Request& request = exchange.request();
    RH_TRY(http::negotiate(request, std::array{http::kJson}));
    RH_ASSIGN(auto filter, filter_of(request));
    RH_ASSIGN(const uint64_t limit,
              http::number_parameter(request, "limit", kLimitDefault, 1, kLimitMax));
    const std::string scope =
        fmt::format("uploads\n{}\n{}\n{}", request.query_value("state").value_or(""),
                    filter.filename, filter.sha256);
    if (const auto cursor = request.query_value("cursor")) {
        RH_ASSIGN(filter.after, place_of(scope, *cursor));
    }
    RH_ASSIGN(const auto count, count_of(dependencies, request, filter));
    filter.limit = limit + 1;
    RH_ASSIGN(auto found, dependencies.ledger.list(filter));
    const bool more = found.size() > limit;
    if (more) {
        found.pop_back();
    }
    std::string body = "{\"data\":[";
    for (size_t i = 0; i < found.size(); ++i) {
        body += i == 0 ? "" : ",";
        add_passing_warnings(dependencies, found[i]);
        body += upload_json(found[i], dependencies.board.find(found[i].id), false);
    }
    http::Response response = json_response({});
    std::string next = "null";
    if (more) {
        const std::string cursor = encode_page_cursor(
            scope, fmt::format("{}:{}", found.back().created_at, to_string(found.back().id)));
        response.headers.emplace_back("Link", http::next_link(request, cursor));
        next = fmt::format("\"{}\"", cursor);
    }
    response.body = fmt::format("{}],\"next_cursor\":{}", body, next);
    if (count) {
        response.headers.emplace_back("X-Total-Count", fmt::to_string(*count));
        response.body += fmt::format(",\"count\":{}", *count);
    }
    response.body += '}';
    return exchange.send(std::move(response));
}

Result<void> get_upload(const UploadDependencies& dependencies, Exchange& exchange) {
    RH_TRY(http::negotiate(exchange.request(), std::array{http::kJson}));
    RH_ASSIGN(const Upload upload, find_upload(dependencies, exchange.request()));
    http::Response response = json_response(current_upload_json(dependencies, upload));
    if (!uploads::is_final(upload.state)) {
        response.headers.emplace_back("Retry-After", "1");
    }
    return exchange.send(std::move(response));
}

Result<void> cancel_upload(const UploadDependencies& dependencies, Exchange& exchange) {
    RH_ASSIGN(const auto id, id_of(exchange.request()));
    RH_ASSIGN(const Upload upload, dependencies.service.cancel(id));
    return exchange.send(json_response(current_upload_json(dependencies, upload)));
}

Result<void> void_upload(const UploadDependencies& dependencies, Exchange& exchange) {
    RH_ASSIGN(const auto id, id_of(exchange.request()));
    RH_ASSIGN(const Upload upload, dependencies.service.void_upload(id));
    return exchange.send(json_response(current_upload_json(dependencies, upload)));
}

Result<void> delete_upload(const UploadDependencies& dependencies, Exchange& exchange) {
    RH_ASSIGN(const auto id, id_of(exchange.request()));
    RH_TRY(dependencies.service.remove(id));
    return exchange.send({.status = 204});
}

Result<std::optional<Upload>> find_anywhere(const UploadDependencies& dependencies,
                                            const model::UploadId& id) {
    RH_ASSIGN(auto upload, dependencies.ledger.find(id));
    return upload ? std::move(upload) : dependencies.service.find_elsewhere(id);
}

// What the file of a dry run would meet.
std::optional<uploads::Warning> foretold(const UploadDependencies& dependencies,
                                         const Upload& upload) {
    const Upload earnest = receive::in_earnest(upload);
    const auto known = find_anywhere(dependencies, earnest.id);
    return known ? receive::warn_of_known(dependencies.ledger, earnest, *known) : std::nullopt;
}

}  // namespace

Result<Upload> find_upload(const UploadDependencies& dependencies, const http::Request& request) {
    RH_ASSIGN(const auto id, id_of(request));
    RH_ASSIGN(auto upload, find_anywhere(dependencies, id));
    if (!upload) {
        return no_such_upload(request.parameter("id"));
    }
    return std::move(*upload);
}

void add_passing_warnings(const UploadDependencies& dependencies, Upload& upload) {
    if (upload.state == uploads::State::checked) {
        if (auto warning = foretold(dependencies, upload)) {
            upload.warnings.push_back(std::move(*warning));
        }
        return;
    }
    if (!uploads::is_final(upload.state)) {
        if (const auto error = dependencies.service.waits_for(upload.id)) {
            const auto stage = upload.state == uploads::State::storing ? "Storing" : "Publishing";
            upload.warnings.push_back(
                {.code = "waiting",
                 .detail = fmt::format("{} waits and is tried again until it goes on: {}", stage,
                                       error->message),
                 .count = 1,
                 .upload_id = ""});
        }
        return;
    }
    if (upload.state != uploads::State::stored || upload.voided_version ||
        !dependencies.is_lost(upload.id)) {
        return;
    }
    upload.warnings.push_back(
        {.code = "figures_incomplete",
         .detail = "ClickHouse has lost its rows, so figures that would count it are not given. "
                   "Restore ClickHouse's directory, or void this upload and send the file again "
                   "with allow_duplicate=LABEL.",
         .count = 1,
         .upload_id = ""});
}

std::string current_upload_json(const UploadDependencies& dependencies, Upload upload,
                                bool duplicate) {
    add_passing_warnings(dependencies, upload);
    std::vector<uploads::StoredReject> rejects;
    if (upload.state == uploads::State::refused && upload.rows.rejected > 0) {
        // A report that cannot be read is no reason to keep the state back: …/rejects says why.
        auto reader = uploads::RejectReader::open(dependencies.layout.rejects(upload.id), 0);
        if (!reader || !reader->next(kErrorsShownMax, rejects)) {
            rejects.clear();
        }
    }
    return upload_json(upload, dependencies.board.find(upload.id), duplicate, rejects);
}

void add_upload_routes(http::Router& router, const UploadDependencies& dependencies) {
    const auto add = [&](const std::string& method, const std::string& pattern, Scope scope,
                         const std::vector<std::string>& query, auto handler,
                         Scope or_scope = Scope::none) {
        router.add({.method = method,
                    .pattern = pattern,
                    .scope = scope,
                    .query = query,
                    .handler = [dependencies, handler](
                                   Exchange& exchange) { return handler(dependencies, exchange); },
                    .or_scope = or_scope});
    };
    add("GET", "/v1/uploads", Scope::read,
        {"state", "filename", "sha256", "limit", "cursor", "count"}, list_uploads);
    add("GET", "/v1/uploads/{id}", Scope::read, {}, get_upload, Scope::upload);
    add("DELETE", "/v1/uploads/{id}", Scope::upload, {}, delete_upload);
    add("POST", "/v1/uploads/{id}/cancel", Scope::upload, {}, cancel_upload);
    add("POST", "/v1/uploads/{id}/void", Scope::upload, {}, void_upload);
    add_upload_post_route(router, dependencies);
    add_upload_reject_routes(router, dependencies);
    add_upload_original_route(router, dependencies);
    add_upload_event_route(router, dependencies);
}

}  // namespace rh::api
