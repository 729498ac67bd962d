// /livez, /readyz, /metrics: what orchestrators and Prometheus ask. Metrics hold no player and no
// upload, and yet say what the business does: who is asked from other machines gives them, and the
// sentences about its dependencies, to keys only.
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
    // Not ok, and not needed: the server is ready and says that it is degraded.
    bool needed = true;
};

// Both are called on worker threads, once a request. `metrics` gives Prometheus' text format.
// `exposed`: /metrics and /readyz?verbose need a key of scope read, and /readyz without verbose
// names the checks that fail without their sentences.
void add_health_routes(http::Router& router, std::function<std::vector<HealthCheck>()> checks,
                       std::function<std::string()> metrics, bool exposed);

}  // namespace rh::api
