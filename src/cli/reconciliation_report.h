// What a reconciliation of the API says, for people; and its discrepancies as rows of text. Any
// thread.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "cli/api_client.h"
#include "cli/rows.h"

namespace boost::json {
class object;
}

namespace rh::cli {

// Rows that were refused: of an upload, or of a statement, which are then not compared.
uint64_t rejected_rows(const boost::json::object& reconciliation);

// In CSV each figure has a column, as in the API's CSV; in a table each side has one.
Cells discrepancy_header(RowFormat format);
Cells discrepancy_cells(const boost::json::object& discrepancy, RowFormat format);

// Totals, warnings, verdict and the first `show` discrepancies, which it asks for, to stdout. Why
// one failed goes to stderr.
Result<void> print_report(const ApiClient& api, const boost::json::object& reconciliation,
                          uint64_t show);

}  // namespace rh::cli
