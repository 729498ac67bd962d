// Which of the known words a mistyped one was meant to be. Pure; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

namespace rh {

// Levenshtein: how many characters are to be changed, added or removed.
inline size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = std::exchange(row[0], i);
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

// The nearest of `words` (not empty).
template <std::ranges::forward_range Words>
auto nearest(std::string_view text, const Words& words) {
    return *std::ranges::min_element(
        words, {}, [text](const auto& word) { return edit_distance(text, word); });
}

}  // namespace rh
