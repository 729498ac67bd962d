#include "api/health.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/utf8.h"
#include "http/negotiate.h"
#include "http/text.h"

namespace rh::api {
namespace {

using http::Exchange;

http::Response text_response(int status, std::string body) {
    return {.status = status,
            .content_type = "text/plain; charset=utf-8",
            .body = std::move(body),
            .headers = {{"Cache-Control", "no-store"}}};
}

// ?verbose, ?verbose=true
Result<bool> is_verbose(const http::Request& request) {
    return request.query_value("verbose") == ""
               ? true
               : http::boolean_parameter(request, "verbose", false);
}

// Without what is needed the server is not ready, without the rest degraded.
enum class Readiness : uint8_t { ready, degraded, not_ready };

Readiness judge(const std::vector<HealthCheck>& checks) {
    Readiness found = Readiness::ready;
    for (const HealthCheck& check : checks) {
        if (!check.ok) {
            found = std::max(found, check.needed ? Readiness::not_ready : Readiness::degraded);
        }
    }
    return found;
}

// "not ready: …" or "degraded: …", with what is in the way.
std::string plain_answer(const std::vector<HealthCheck>& checks, bool names_only) {
    std::string reasons;
    for (const HealthCheck& check : checks) {
        if (!check.ok) {
            reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ",
                                   names_only || check.detail.empty() ? check.name : check.detail);
        }
    }
    switch (judge(checks)) {
        case Readiness::ready:
            return "ready\n";
        case Readiness::degraded:
            return fmt::format("degraded: {}\n", reasons);
        case Readiness::not_ready:
            break;
    }
    return fmt::format("not ready: {}\n", reasons);
}

Result<void> answer_ready(Exchange& exchange, std::vector<HealthCheck> checks, bool exposed) {
    RH_ASSIGN(const bool verbose, is_verbose(exchange.request()));
    if (exchange.stopping()) {
        checks.push_back({"server", false, "The server is shutting down."});
    }
    const Readiness readiness = judge(checks);
    const bool ready = readiness != Readiness::not_ready;
    const int status = ready ? 200 : 503;
    http::Headers headers = {{"Cache-Control", "no-store"}};
    if (!ready) {
        headers.emplace_back("Retry-After", "1");
    }
    if (!verbose) {
        http::Response response =
            text_response(status, to_valid_utf8(plain_answer(checks, exposed)));
        response.headers = std::move(headers);
        return exchange.send(std::move(response));
    }
    boost::json::array list;
    for (const HealthCheck& check : checks) {
        list.emplace_back(boost::json::object{
            {"name", check.name}, {"ok", check.ok}, {"detail", to_valid_utf8(check.detail)}});
    }
    return exchange.send({.status = status,
                          .body = boost::json::serialize(
                              boost::json::object{{"ready", ready},
                                                  {"degraded", readiness == Readiness::degraded},
                                                  {"checks", std::move(list)}}),
                          .headers = std::move(headers)});
}

}  // namespace

void add_health_routes(http::Router& router, std::function<std::vector<HealthCheck>()> checks,
                       std::function<std::string()> metrics, bool exposed) {
    const http::Scope details = exposed ? http::Scope::read : http::Scope::none;
    router.add({.method = "GET",
                .pattern = "/livez",
                .scope = http::Scope::none,
                .query = {},
                .handler = [](Exchange& exchange) {
                    return exchange.send(text_response(200, "alive\n"));
                }});
    router.add(
        {.method = "GET",
         .pattern = "/readyz",
         .scope = details,
         .query = {"verbose"},
         .handler = [checks = std::move(checks), exposed](
                        Exchange& exchange) { return answer_ready(exchange, checks(), exposed); },
         .scope_with = "verbose"});
    router.add({.method = "GET",
                .pattern = "/metrics",
                .scope = details,
                .query = {},
                .handler = [metrics = std::move(metrics)](Exchange& exchange) {
                    http::Response response = text_response(200, metrics());
                    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                    return exchange.send(std::move(response));
                }});
}

}  // namespace rh::api
