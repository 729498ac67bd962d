#include "cli/rows.h"

#include <algorithm>

#include "base/harmless.h"
#include "cli/output.h"
#include "model/money.h"

namespace rh::cli {
namespace {

bool is_number(std::string_view text) { return model::parse_money_sum(text).has_value(); }

// Characters, not bytes, so that é takes one column.
size_t width_of(std::string_view text) {
    return static_cast<size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

RowFormat row_format(std::string_view asked) {
    if (asked == "table" || asked == "csv") {
        return asked == "table" ? RowFormat::table : RowFormat::csv;
    }
    return stdout_is_terminal() ? RowFormat::table : RowFormat::csv;
}

std::string csv_cell(std::string_view text) {
    const bool formula =
        !text.empty() && std::string_view("=+-@\t\r").contains(text.front()) && !is_number(text);
    std::string cell = formula ? "'" : "";
    cell += text;
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
        return cell;
    }
    std::string quoted = "\"";
    for (const char c : cell) {
        quoted.append(c == '"' ? 2 : 1, c);
    }
    return quoted + '"';
}

std::string RowPrinter::line(const Cells& cells, bool bold) const {
    std::string out;
    if (format_ == RowFormat::csv) {
        for (const auto& cell : cells) {
            out += (out.empty() ? "" : ",") + csv_cell(cell);
        }
        return out + "\r\n";
    }
    for (size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = harmless(cells[i]);
        const size_t width = width_of(cell);
        const std::string pad(widths_[i] > width ? widths_[i] - width : 0, ' ');
        out += i == 0 ? "" : "  ";
        out += to_the_right_[i] ? pad + cell : cell + (i + 1 == cells.size() ? "" : pad);
    }
    return (bold ? "\x1b[1m" + out + "\x1b[0m" : out) + "\n";
}

Result<void> RowPrinter::begin(const std::vector<Cells>& rows) {
    begun_ = true;
    for (size_t i = 0; i < header_.size(); ++i) {
        size_t width = width_of(header_[i]);
        bool numbers = !rows.empty();
        for (const Cells& row : rows) {
            width = std::max(width, width_of(harmless(row[i])));
            numbers = numbers && (row[i].empty() || is_number(row[i]));
        }
        widths_.push_back(width);
        to_the_right_.push_back(numbers);
    }
    return write_out(line(header_, format_ == RowFormat::table && stdout_has_color()));
}

Result<void> RowPrinter::print(const std::vector<Cells>& rows) {
    if (!begun_) {
        RH_TRY(begin(rows));
    }
    std::string out;
    for (const Cells& row : rows) {
        out += line(row, false);
    }
    return write_out(out);
}

Result<void> RowPrinter::finish() { return begun_ ? Result<void>() : begin({}); }

}  // namespace rh::cli
