// Rows of text for people and programs: a table on a terminal, CSV in a pipe. Written page by page,
// so that any number of rows needs little memory; the first page sets a table's widths. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rh::cli {

using Cells = std::vector<std::string>;

enum class RowFormat : uint8_t { table, csv };
// "table" or "csv"; anything else: table on a terminal, else CSV.
RowFormat row_format(std::string_view asked);

// RFC 4180. A cell that a spreadsheet would take for a formula is guarded by an apostrophe, unless
// it is a number.
std::string csv_cell(std::string_view text);

class RowPrinter {
  public:
    RowPrinter(RowFormat format, Cells header) : format_(format), header_(std::move(header)) {}
    // Writes to stdout. Numbers are set to the right in a table.
    Result<void> print(const std::vector<Cells>& rows);
    // The header alone, if there was no row.
    Result<void> finish();

  private:
    std::string line(const Cells& cells, bool bold) const;
    Result<void> begin(const std::vector<Cells>& rows);
    RowFormat format_;
    Cells header_;
    std::vector<size_t> widths_;
    std::vector<bool> to_the_right_;
    bool begun_ = false;
};

}  // namespace rh::cli
