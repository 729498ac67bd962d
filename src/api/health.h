// /livez, /readyz, /metrics: what orchestrators and Prometheus ask. They take no key: livez says
// nothing, readyz names dependencies only, and metrics hold no player and no upload.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/router.h"

namespace rh::api {

struct HealthCheck {
    std::string name;  // "clickhouse", "ledger", "disk" …
    bool ok = false;
    std::string detail;  // a sentence; empty when there is nothing to say
};

// Both are called on worker threads, once a request. `metrics` gives Prometheus' text format.
void add_health_routes(http::Router& router, std::function<std::vector<HealthCheck>()> checks,
                       std::function<std::string()> metrics);

}  // namespace rh::api
