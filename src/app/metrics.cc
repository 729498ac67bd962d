#include "app/metrics.h"

#include <fmt/format.h>

namespace rh::app {

void append_metric(std::string& out, std::string_view name, std::string_view type,
                   std::string_view help, const std::vector<Sample>& samples) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    for (const Sample& sample : samples) {
        if (sample.labels.empty()) {
            out += fmt::format("{} {}\n", name, sample.value);
        } else {
            out += fmt::format("{}{{{}}} {}\n", name, sample.labels, sample.value);
        }
    }
}

void RequestMetrics::observe(const http::Observation& observation) {
    const std::scoped_lock lock(mutex_);
    Row& row = rows_[{std::string(observation.route), std::string(observation.method),
                      observation.status}];
    ++row.count;
    row.seconds += observation.seconds;
    for (size_t i = 0; i < kBucketsS.size(); ++i) {
        row.at_most[i] += observation.seconds <= kBucketsS[i] ? 1 : 0;
    }
    bytes_in_ += observation.bytes_in;
    bytes_out_ += observation.bytes_out;
}

void RequestMetrics::append_to(std::string& out) const {
    constexpr std::string_view kName = "roundhouse_http_request_seconds";
    const std::scoped_lock lock(mutex_);
    out += fmt::format(
        "# HELP {0} Time from a request's head to its answer's last byte.\n# TYPE {0} histogram\n",
        kName);
    for (const auto& [key, row] : rows_) {
        const auto& [route, method, status] = key;
        const std::string labels =
            fmt::format(R"(route="{}",method="{}",status="{}")", route, method, status);
        for (size_t i = 0; i < kBucketsS.size(); ++i) {
            out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", kName, labels, kBucketsS[i],
                               row.at_most[i]);
        }
        out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", kName, labels, row.count);
        out += fmt::format("{}_sum{{{}}} {}\n", kName, labels, row.seconds);
        out += fmt::format("{}_count{{{}}} {}\n", kName, labels, row.count);
    }
    append_metric(out, "roundhouse_http_received_bytes_total", "counter",
                  "Bytes of request bodies.", {{"", static_cast<double>(bytes_in_)}});
    append_metric(out, "roundhouse_http_sent_bytes_total", "counter", "Bytes of answers.",
                  {{"", static_cast<double>(bytes_out_)}});
}

}  // namespace rh::app
