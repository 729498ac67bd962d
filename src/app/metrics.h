// What /metrics prints, in Prometheus' text format. Rooms hold plain counters; only this file knows
// the format. No label ever holds a player or an upload. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "http/server.h"

namespace rh::app {

// One line of a metric: its labels ("state=\"stored\"", or empty) and value.
struct Sample {
    std::string labels;
    double value = 0;
};

// Appends `# HELP`, `# TYPE` and the samples. `type` is counter or gauge.
void append_metric(std::string& out, std::string_view name, std::string_view type,
                   std::string_view help, const std::vector<Sample>& samples);

// Requests by route, method and status, and how long they took.
class RequestMetrics {
  public:
    void observe(const http::Observation& observation);
    void append_to(std::string& out) const;

  private:
    static constexpr std::array<double, 10> kBucketsS = {0.001, 0.005, 0.01, 0.05, 0.1,
                                                         0.5,   1,     5,    30,   300};
    struct Row {
        uint64_t count = 0;
        double seconds = 0;
        std::array<uint64_t, kBucketsS.size()> at_most{};  // cumulative, as the format wants them
    };
    mutable std::mutex mutex_;
    std::map<std::tuple<std::string, std::string, int>, Row> rows_;  // route, method, status
    uint64_t bytes_in_ = 0;
    uint64_t bytes_out_ = 0;
};

}  // namespace rh::app
