// Runs a RecordScanner over a text, for tests.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reconcile/records.h"

namespace rh::reconcile {

inline constexpr std::string_view kHeader =
    "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
    "real_amount_win,bonus_amount_win,game_name,provider";

// A record of ten fields whose ninth is `name`.
inline std::string record(std::string_view name, std::string_view rest = "") {
    return "2019-10-22 08:20:41,1,u,1,,,,," + std::string(name) +
           (rest.empty() ? std::string(",p") : std::string(rest));
}

inline std::string lines(const std::vector<std::string_view>& all, std::string_view end) {
    std::string text;
    for (const auto line : all) {
        text.append(line).append(end);
    }
    return text;
}
inline std::string lines(std::initializer_list<std::string> all, std::string_view end) {
    return lines(std::vector<std::string_view>(all.begin(), all.end()), end);
}

struct Scanned {
    std::string out;
    RecordCounts counts;
    std::vector<BadRecord> examples;
    std::optional<LineRange> unmatched;
    std::string error;
};

inline Scanned scan(std::string_view file, std::vector<LineRange> ranges = {},
                    size_t piece = 1 << 20) {
    Scanned scanned;
    size_t next = 0;
    RecordScanner scanner(
        ',',
        [&]() -> Result<std::optional<LineRange>> {
            return next < ranges.size() ? std::optional(ranges[next++]) : std::nullopt;
        },
        [&](std::string_view bytes) -> Result<void> {
            scanned.out += bytes;
            return {};
        });
    Result<void> result;
    for (size_t at = 0; at < file.size() && result; at += piece) {
        result = scanner.feed(file.substr(at, piece));
    }
    if (result) {
        result = scanner.finish();
    }
    scanned.error = result ? "" : result.error().code;
    scanned.counts = scanner.counts();
    scanned.examples = scanner.examples();
    scanned.unmatched = scanner.unmatched_range();
    return scanned;
}

}  // namespace rh::reconcile
