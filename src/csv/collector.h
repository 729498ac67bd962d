// For tests: a consumer that keeps everything, and a reader fed with pieces of chosen sizes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "csv/reader.h"

namespace rh::csv::testing {

struct Row {
    uint64_t number = 0;
    int64_t created_ms = 0;
    int64_t instance = 0;
    std::string user;
    int64_t game = 0;
    std::array<int64_t, 4> amount{};
    std::string game_name;
    std::string provider;
    bool operator==(const Row&) const = default;
};

struct Collector : Consumer {
    std::vector<Row> rows;
    std::vector<model::Reject> rejects;
    std::vector<size_t> batch_sizes;

    Result<void> on_rows(model::RowBatch& batch) override {
        batch_sizes.push_back(batch.size());
        for (size_t i = 0; i < batch.size(); ++i) {
            Row row{batch.row_number[i],
                    batch.created_ms[i],
                    batch.game_instance_id[i],
                    std::string(batch.user_id[i]),
                    batch.game_id[i],
                    {},
                    std::string(batch.game_name[i]),
                    std::string(batch.provider[i])};
            for (size_t a = 0; a < 4; ++a) {
                row.amount[a] = batch.amount[a][i];
            }
            rows.push_back(std::move(row));
        }
        return {};
    }
    Result<void> on_rejects(std::span<const model::Reject> found) override {
        rejects.insert(rejects.end(), found.begin(), found.end());
        return {};
    }
};

struct Outcome {
    Collector found;
    Report report;
    std::string error;  // its code
    std::string message;
};

// `cut` says how long the next piece is (at least 1); without it the bytes are one piece.
inline Outcome read_csv(std::string_view bytes, const Options& options = {}, const Work& work = {},
                        const std::function<size_t()>& cut = {}) {
    Outcome outcome;
    Reader reader(options, outcome.found, work);
    Result<void> result;
    while (result && !bytes.empty()) {
        const size_t size = cut ? std::min(cut(), bytes.size()) : bytes.size();
        // A copy of its own: a read beyond the piece is then seen by the sanitizer.
        const std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
        result = reader.feed({piece.data(), piece.size()});
        bytes.remove_prefix(size);
    }
    if (result) {
        result = reader.finish();
    }
    if (!result) {
        outcome.error = result.error().code;
        outcome.message = result.error().message;
    }
    outcome.report = reader.report();
    return outcome;
}

// One text that has all of an outcome, to compare two.
inline std::string describe(const Outcome& o) {
    std::string text = "error " + o.error + "\nread " + std::to_string(o.report.rows.read) +
                       " accepted " + std::to_string(o.report.rows.accepted) + " rejected " +
                       std::to_string(o.report.rows.rejected) + " blank " +
                       std::to_string(o.report.rows.blank) + "\n";
    for (const Row& r : o.found.rows) {
        text += "row " + std::to_string(r.number) + " " + std::to_string(r.created_ms) + " " +
                std::to_string(r.instance) + " [" + r.user + "] " + std::to_string(r.game);
        for (const int64_t a : r.amount) {
            text += " " + std::to_string(a);
        }
        text += " [" + r.game_name + "] [" + r.provider + "]\n";
    }
    for (const model::Reject& r : o.found.rejects) {
        text += "reject " + std::to_string(r.row) + " lines " + std::to_string(r.line) + ".." +
                std::to_string(r.line_last);
        for (const model::Fault& f : r.faults) {
            text += " " + std::string(model::name(f.code)) + "@" + std::to_string(f.column) + "[" +
                    f.value + "]";
        }
        text += "\n";
    }
    return text;
}

}  // namespace rh::csv::testing
