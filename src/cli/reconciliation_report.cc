#include "cli/reconciliation_report.h"

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"
#include "model/row_batch.h"

namespace rh::cli {
namespace {

constexpr std::array<std::string_view, 3> kSides = {"original", "stored", "aggregated"};

// Says of what was compared that it agrees, and of nothing else.
std::string matched_text(const boost::json::object& reconciliation) {
    if (find_warning(reconciliation, "upload_voided") != nullptr) {
        return "matched: every row is kept exactly once; the upload is voided, so none is in the "
               "figures\n";
    }
    const uint64_t rejected = rejected_rows(reconciliation);
    const auto* const warning = find_warning(reconciliation, "rows_out_of_scope");
    const uint64_t outside = warning != nullptr ? count_at(*warning, "count") : 0;
    if (rejected + outside == 0) {
        return "matched: every row is counted exactly once\n";
    }
    if (!text_at(reconciliation, "upload_id").empty()) {
        return "matched: every accepted row is counted exactly once\n";
    }
    std::string reasons = rejected > 0 ? with_commas(rejected) + " not valid" : "";
    if (outside > 0) {
        reasons +=
            fmt::format("{}{} out of scope", reasons.empty() ? "" : ", ", with_commas(outside));
    }
    return fmt::format(
        "matched, but {} of the statement {} not compared ({}); every other row is "
        "counted exactly once\n",
        counted(rejected + outside, "row"), rejected + outside == 1 ? "was" : "were", reasons);
}

// Stands above the sums, so that the verdict is right below them.
std::string warnings_text(const boost::json::object& reconciliation) {
    std::string out;
    for (const auto* const warning : warnings_of(reconciliation)) {
        out += fmt::format("warning: {}\n", in_flags(shown_at(*warning, "detail")));
    }
    if (const auto* examples = reconciliation.if_contains("rejected_examples");
        examples != nullptr && examples->is_array()) {
        for (const auto& example : examples->get_array()) {
            out += fmt::format("  row {}: {}\n", shown_at(example.as_object(), "row"),
                               shown_at(example.as_object(), "detail"));
        }
    }
    return out;
}

std::string totals_text(const boost::json::object& reconciliation) {
    const auto& totals = object_at(reconciliation, "totals");
    const auto& rows = object_at(reconciliation, "rows");
    std::string out =
        fmt::format("{:<18}{:>24}{:>24}{:>24}\n", "", kSides[0], kSides[1], kSides[2]);
    const auto add = [&](std::string_view name) {
        out += fmt::format("{:<18}", name);
        for (const auto side : kSides) {
            out += aligned_amount(shown_at(object_at(totals, side), name), 24);
        }
        out += '\n';
    };
    add("rows");
    for (const auto amount : model::kAmountNames) {
        add(amount);
    }
    if (!rows.empty()) {
        out += fmt::format(
            "rows: {} read = {} accepted + {} rejected; {}\n", with_commas(count_at(rows, "read")),
            with_commas(count_at(rows, "accepted")), with_commas(count_at(rows, "rejected")),
            counted(count_at(rows, "blank"), "blank line"));
    }
    return out + fmt::format("reconciliation {} at version {}\n", shown_at(reconciliation, "id"),
                             shown_at(reconciliation, "version"));
}

// "3 rounds 1.5/0/0.3/0", or "-" for a side that has nothing.
std::string side_text(const boost::json::object& side) {
    if (side.empty()) {
        return "-";
    }
    std::string amounts;
    for (const auto amount : model::kAmountNames) {
        amounts += (amounts.empty() ? "" : "/") + shown_at(side, amount);
    }
    return fmt::format("{} {}", counted(count_at(side, "rounds"), "round"), amounts);
}

Result<void> print_discrepancies(const ApiClient& api, const boost::json::object& reconciliation,
                                 uint64_t show) {
    const uint64_t of = count_at(reconciliation, "discrepancies");
    const std::string id = shown_at(reconciliation, "id");
    if (of == 0) {
        return {};  // the balance differs, or the totals
    }
    RH_ASSIGN(const auto page,
              api.get(with_query(fmt::format("/v1/reconciliations/{}/discrepancies", id),
                                 {{"limit", std::to_string(show)}})));
    const auto* data = page.if_contains("data");
    if (data == nullptr || !data->is_array()) {
        return {};
    }
    RH_TRY(write_out("figures: rounds, then real bet / bonus bet / real win / bonus win\n"));
    RowPrinter printer(RowFormat::table, discrepancy_header(RowFormat::table));
    std::vector<Cells> rows;
    for (const auto& item : data->get_array()) {
        rows.push_back(discrepancy_cells(item.get_object(), RowFormat::table));
    }
    RH_TRY(printer.print(rows));
    if (of > rows.size()) {
        RH_TRY(write_out(fmt::format("… and {} more: roundhouse discrepancies {} --all\n",
                                     with_commas(of - rows.size()), id)));
    }
    return {};
}

}  // namespace

uint64_t rejected_rows(const boost::json::object& reconciliation) {
    return count_at(object_at(reconciliation, "rows"), "rejected");
}

Cells discrepancy_header(RowFormat format) {
    Cells header = {"player_id", "game_id", "hour", "class", "other_hour"};
    if (format == RowFormat::table) {
        header.emplace_back("table");
        header.insert(header.end(), kSides.begin(), kSides.end());
        return header;
    }
    for (const auto side : kSides) {
        header.push_back(fmt::format("{}_rounds", side));
        for (const auto amount : model::kAmountNames) {
            header.push_back(fmt::format("{}_{}", side, amount));
        }
    }
    header.insert(header.end(), {"table", "provider", "game_name"});
    return header;
}

Cells discrepancy_cells(const boost::json::object& discrepancy, RowFormat format) {
    const auto append = [&](Cells& cells, std::initializer_list<std::string_view> columns) {
        for (const auto column : columns) {
            cells.push_back(text_at(discrepancy, column));
        }
    };
    Cells cells;
    append(cells, {"player_id", "game_id", "hour", "class", "other_hour"});
    if (format == RowFormat::table) {
        append(cells, {"table"});
        for (const auto side : kSides) {
            cells.push_back(side_text(object_at(discrepancy, side)));
        }
        return cells;
    }
    for (const auto side : kSides) {
        const auto& figures = object_at(discrepancy, side);
        cells.push_back(text_at(figures, "rounds"));
        for (const auto amount : model::kAmountNames) {
            cells.push_back(text_at(figures, amount));
        }
    }
    append(cells, {"table", "provider", "game_name"});
    return cells;
}

Result<void> print_report(const ApiClient& api, const boost::json::object& reconciliation,
                          uint64_t show) {
    const std::string state = shown_at(reconciliation, "state");
    if (state == "running") {
        return write_out(
            fmt::format("reconciliation {} is running\n", shown_at(reconciliation, "id")));
    }
    if (state != "done") {
        const auto& error = object_at(reconciliation, "error");
        say(error.empty() ? "The reconciliation failed; it says nothing about the figures."
                          : in_flags(shown_at(error, "detail")));
        return {};
    }
    RH_TRY(write_out(warnings_text(reconciliation) + totals_text(reconciliation)));
    const std::string verdict = shown_at(reconciliation, "verdict");
    if (verdict == "matched") {
        return write_out(matched_text(reconciliation));
    }
    RH_TRY(write_out(fmt::format(
        "{}: {}\n", verdict, counted(count_at(reconciliation, "discrepancies"), "discrepancy"))));
    return print_discrepancies(api, reconciliation, show);
}

}  // namespace rh::cli
