// What /metrics prints, in Prometheus' text format. Rooms hold plain counters; only this file knows
// the format. No label ever holds a player or an upload. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
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

// How many durations were at most each of some bounds, how many there were, and their sum: one
// histogram's samples for one set of labels. Seconds. Its owner's mutex guards it.
class Histogram {
  public:
    // `bounds_s` ascend, and outlive it.
    explicit Histogram(std::span<const double> bounds_s)
        : bounds_s_(bounds_s), at_most_(bounds_s.size()) {}
    void observe(double seconds);
    // Appends the samples of metric `name`, without HELP and TYPE; `labels` are a Sample's, and not
    // empty.
    void append_to(std::string& out, std::string_view name, std::string_view labels) const;

  private:
    std::span<const double> bounds_s_;
    std::vector<uint64_t> at_most_;  // cumulative, as the format wants them
    uint64_t count_ = 0;
    double sum_s_ = 0;
};

// Requests by route, method and status, and how long they took.
class RequestMetrics {
  public:
    void observe(const http::Observation& observation);
    void append_to(std::string& out) const;

  private:
    mutable std::mutex mutex_;
    std::map<std::tuple<std::string, std::string, int>, Histogram> rows_;  // route, method, status
    uint64_t bytes_in_ = 0;
    uint64_t bytes_out_ = 0;
};

enum class Stage : uint8_t { receive, publish, store };

// How long the stages worked on uploads that they finished, since the start.
class StageMetrics {
  public:
    StageMetrics();
    // Once an upload and stage. `ms`: of the monotonic clock, the stage's own work; how long the
    // upload waited for its turn is not in it.
    void observe(Stage stage, int64_t ms);
    void append_to(std::string& out) const;

  private:
    mutable std::mutex mutex_;
    std::vector<Histogram> stages_;  // by Stage
};

}  // namespace rh::app
