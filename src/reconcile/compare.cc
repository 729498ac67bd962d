#include "reconcile/compare.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace rh::reconcile {
namespace {

struct Side {
    const RowSource& source;
    KeyRow row;
    bool there = false;

    Result<void> advance() {
        RH_ASSIGN(there, source(row));
        return {};
    }
};

// A key on which the sides do not agree, until all hours of its player and game are known.
struct OpenBreak {
    Discrepancy found;
    std::vector<RowMark> missing, extra;  // rows of one side only
    bool extra_are_copies = false;        // each extra row stands in the original as well
    bool missing_are_copies = false;      // each missing row stands in the store as well
    bool sums_differ = false;             // of store and original
};

class Comparison {
  public:
    Comparison(const CompareOptions& options, const OnDiscrepancy& on_discrepancy)
        : options_(options), on_discrepancy_(on_discrepancy) {}

    // The three are of the same key; null: that side has no row of it.
    Result<void> add(const Key& key, KeyRow* original, KeyRow* stored, KeyRow* aggregated);
    Result<void> flush();  // the open player and game are complete

    CompareResult result;

  private:
    void pair_moved_rows();
    std::optional<BreakClass> classify(const OpenBreak& open, bool moved) const;

    const CompareOptions& options_;
    const OnDiscrepancy& on_discrepancy_;
    std::vector<OpenBreak> open_;
};

bool contains_all(const std::vector<RowMark>& sorted, const std::vector<RowMark>& wanted) {
    return std::ranges::all_of(
        wanted, [&](const RowMark& mark) { return std::ranges::binary_search(sorted, mark); });
}

Result<void> Comparison::add(const Key& key, KeyRow* original, KeyRow* stored, KeyRow* aggregated) {
    if (!open_.empty() && !open_.front().found.key.same_game(key)) {
        RH_TRY(flush());
    }
    OpenBreak open;
    const model::Totals zero;
    const model::Totals& in_original = original != nullptr ? original->figures : zero;
    const model::Totals& in_store = stored != nullptr ? stored->figures : zero;
    model::Totals in_aggregate = aggregated != nullptr ? aggregated->figures : zero;
    if (stored != nullptr) {
        in_aggregate = minus(in_aggregate, stored->others);
    }
    result.original.add(in_original);
    result.stored.add(in_store);
    result.aggregated.add(in_aggregate);

    std::vector<RowMark> none;
    auto& original_marks = original != nullptr ? original->marks : none;
    auto& stored_marks = stored != nullptr ? stored->marks : none;
    std::ranges::sort(original_marks);
    std::ranges::sort(stored_marks);
    open.sums_differ = in_original != in_store;
    if (!open.sums_differ && in_store == in_aggregate && original_marks == stored_marks) {
        return {};
    }
    if (original == nullptr && in_store == zero && stored != nullptr) {
        // Only rows that the scope leaves out: whatever is wrong here is not of this scope.
        result.aggregated = minus(result.aggregated, in_aggregate);
        return {};
    }
    std::ranges::set_difference(original_marks, stored_marks, std::back_inserter(open.missing));
    std::ranges::set_difference(stored_marks, original_marks, std::back_inserter(open.extra));
    open.extra_are_copies = contains_all(original_marks, open.extra);
    open.missing_are_copies = contains_all(stored_marks, open.missing);
    open.found.key = key;
    open.found.original = present(in_original);
    open.found.stored = present(in_store);
    open.found.aggregated = present(in_aggregate);
    open_.push_back(std::move(open));
    return {};
}

// A row that is missing in one hour and extra in another, equal in all else, was moved.
void Comparison::pair_moved_rows() {
    std::multimap<uint64_t, std::pair<size_t, size_t>> missing;  // content → (break, index)
    for (size_t i = 0; i < open_.size(); ++i) {
        for (size_t j = 0; j < open_[i].missing.size(); ++j) {
            missing.emplace(open_[i].missing[j].content, std::pair(i, j));
        }
    }
    std::vector<std::vector<bool>> moved(open_.size());
    for (size_t i = 0; i < open_.size(); ++i) {
        moved[i].resize(open_[i].missing.size());
    }
    for (size_t i = 0; i < open_.size() && !missing.empty(); ++i) {
        std::erase_if(open_[i].extra, [&](const RowMark& mark) {
            const auto [begin, end] = missing.equal_range(mark.content);
            const auto found =
                std::find_if(begin, end, [&](const auto& m) { return m.second.first != i; });
            if (found == end) {
                return false;
            }
            const auto [from, index] = found->second;
            moved[from][index] = true;
            open_[from].found.other_hour = open_[i].found.key.hour;
            open_[i].found.other_hour = open_[from].found.key.hour;
            missing.erase(found);
            return true;
        });
    }
    for (size_t i = 0; i < open_.size(); ++i) {
        size_t j = 0;
        std::erase_if(open_[i].missing, [&](const RowMark&) { return moved[i][j++]; });
    }
}

std::optional<BreakClass> Comparison::classify(const OpenBreak& open, bool moved) const {
    const size_t missing = open.missing.size();
    const size_t extra = open.extra.size();
    if (missing == 0 && extra == 0) {
        if (moved) {
            return BreakClass::wrong_hour;
        }
        return open.sums_differ ? BreakClass::amount_mismatch : BreakClass::aggregate_stale;
    }
    if (missing == 0) {
        return open.extra_are_copies ? BreakClass::duplicate : BreakClass::extra_in_store;
    }
    if (extra == 0) {
        return open.missing_are_copies && options_.original_may_repeat
                   ? BreakClass::duplicate
                   : BreakClass::missing_in_store;
    }
    return missing == extra ? BreakClass::amount_mismatch : BreakClass::count_mismatch;
}

Result<void> Comparison::flush() {
    if (open_.size() > 1) {
        pair_moved_rows();
    }
    for (OpenBreak& open : open_) {
        const bool moved = open.found.other_hour.has_value();
        open.found.break_class = *classify(open, moved);
        if (open.found.break_class != BreakClass::wrong_hour) {
            open.found.other_hour.reset();
        }
        ++result.discrepancies;
        RH_TRY(on_discrepancy_(open.found));
    }
    open_.clear();
    return {};
}

}  // namespace

model::Totals minus(model::Totals a, const model::Totals& b) {
    a.rows -= b.rows;
    for (size_t i = 0; i < a.sums.size(); ++i) {
        a.sums[i].micros -= b.sums[i].micros;
    }
    return a;
}

void take_rest(const KeyRow& row, CompareResult& result) {
    switch (row.kind) {
        case KeyRow::Kind::key:
            break;
        case KeyRow::Kind::invalid:
            result.invalid += row.figures.rows;
            break;
        case KeyRow::Kind::out_of_scope:
            result.out_of_scope += row.figures.rows;
            break;
        case KeyRow::Kind::refused:
            result.refused += row.figures.rows;
            break;
        case KeyRow::Kind::refused_valid:
            result.refused_valid += row.figures.rows;
            break;
    }
    result.examples.insert(result.examples.end(), row.examples.begin(), row.examples.end());
}

std::optional<model::Totals> present(const model::Totals& totals) {
    return totals == model::Totals{} ? std::nullopt : std::optional(totals);
}

Result<CompareResult> compare(const RowSource& original, const RowSource& stored,
                              const RowSource& aggregated, const CompareOptions& options,
                              const OnDiscrepancy& on_discrepancy) {
    std::array<Side, 3> sides = {Side{original, {}}, Side{stored, {}}, Side{aggregated, {}}};
    for (Side& side : sides) {
        RH_TRY(side.advance());
    }
    Comparison comparison(options, on_discrepancy);
    const auto is_key = [](const Side& side) {
        return side.there && side.row.kind == KeyRow::Kind::key;
    };
    while (std::ranges::any_of(sides, is_key)) {
        const Key* least = nullptr;
        for (const Side& side : sides) {
            if (is_key(side) && (least == nullptr || side.row.key < *least)) {
                least = &side.row.key;
            }
        }
        const Key key = *least;
        std::array<KeyRow*, 3> rows{};
        for (size_t i = 0; i < sides.size(); ++i) {
            rows[i] = is_key(sides[i]) && sides[i].row.key == key ? &sides[i].row : nullptr;
        }
        RH_TRY(comparison.add(key, rows[0], rows[1], rows[2]));
        for (size_t i = 0; i < sides.size(); ++i) {
            if (rows[i] != nullptr) {
                RH_TRY(sides[i].advance());
            }
        }
    }
    RH_TRY(comparison.flush());
    while (sides[0].there) {
        take_rest(sides[0].row, comparison.result);
        RH_TRY(sides[0].advance());
    }
    return std::move(comparison.result);
}

}  // namespace rh::reconcile
