#include "app/metrics.h"

#include <array>

#include <fmt/format.h>

namespace rh::app {
namespace {

constexpr std::array kRequestBoundsS = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0};
// From a file of a few rows to hours.
constexpr std::array kStageBoundsS = {0.01, 0.03,  0.1,   0.3, 1.0, 3.0, 10.0,
                                      30.0, 100.0, 300.0, 1e3, 3e3, 1e4};
constexpr std::array<std::string_view, 3> kStageNames = {"receive", "publish", "store"};

void append_head(std::string& out, std::string_view name, std::string_view type,
                 std::string_view help) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

}  // namespace

void append_metric(std::string& out, std::string_view name, std::string_view type,
                   std::string_view help, const std::vector<Sample>& samples) {
    append_head(out, name, type, help);
    for (const Sample& sample : samples) {
        if (sample.labels.empty()) {
            out += fmt::format("{} {}\n", name, sample.value);
        } else {
            out += fmt::format("{}{{{}}} {}\n", name, sample.labels, sample.value);
        }
    }
}

void Histogram::observe(double seconds) {
    ++count_;
    sum_s_ += seconds;
    for (size_t i = 0; i < bounds_s_.size(); ++i) {
        at_most_[i] += seconds <= bounds_s_[i] ? 1 : 0;
    }
}

void Histogram::append_to(std::string& out, std::string_view name, std::string_view labels) const {
    for (size_t i = 0; i < bounds_s_.size(); ++i) {
        out +=
            fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bounds_s_[i], at_most_[i]);
    }
    out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count_);
    out += fmt::format("{}_sum{{{}}} {}\n", name, labels, sum_s_);
    out += fmt::format("{}_count{{{}}} {}\n", name, labels, count_);
}

void RequestMetrics::observe(const http::Observation& observation) {
    const std::scoped_lock lock(mutex_);
    const auto [row, is_new] = rows_.try_emplace(
        {std::string(observation.route), std::string(observation.method), observation.status},
        kRequestBoundsS);
    row->second.observe(observation.seconds);
    bytes_in_ += observation.bytes_in;
    bytes_out_ += observation.bytes_out;
}

void RequestMetrics::append_to(std::string& out) const {
    constexpr std::string_view kName = "roundhouse_http_request_seconds";
    const std::scoped_lock lock(mutex_);
    append_head(out, kName, "histogram", "Time from a request's head to its answer's last byte.");
    for (const auto& [key, row] : rows_) {
        const auto& [route, method, status] = key;
        row.append_to(out, kName,
                      fmt::format(R"(route="{}",method="{}",status="{}")", route, method, status));
    }
    append_metric(out, "roundhouse_http_received_bytes_total", "counter",
                  "Bytes of request bodies.", {{"", static_cast<double>(bytes_in_)}});
    append_metric(out, "roundhouse_http_sent_bytes_total", "counter", "Bytes of answers.",
                  {{"", static_cast<double>(bytes_out_)}});
}

StageMetrics::StageMetrics() : stages_(kStageNames.size(), Histogram(kStageBoundsS)) {}

void StageMetrics::observe(Stage stage, int64_t ms) {
    const std::scoped_lock lock(mutex_);
    stages_[static_cast<size_t>(stage)].observe(static_cast<double>(ms) / 1000);
}

void StageMetrics::append_to(std::string& out) const {
    constexpr std::string_view kName = "roundhouse_stage_seconds";
    const std::scoped_lock lock(mutex_);
    append_head(out, kName, "histogram",
                "Time that a stage worked on an upload that it finished: received and new, judged "
                "to its end (dry runs and refused files too), stored. Waiting for its turn is not "
                "in it.");
    for (size_t i = 0; i < stages_.size(); ++i) {
        stages_[i].append_to(out, kName, fmt::format("stage=\"{}\"", kStageNames[i]));
    }
}

}  // namespace rh::app
