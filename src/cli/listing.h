// Lists of the API, page by page: as a table, as CSV, or as the API's JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api_client.h"
#include "cli/rows.h"

namespace CLI {
class App;
}

namespace rh::cli {

struct Listing {
    uint64_t limit = 100;  // rows of a page
    bool all = false;      // every page
    std::string format;    // table or csv; empty: by where the output goes
};

void add_listing(CLI::App& command, Listing& listing);  // --limit, --all, --format

// The rows of one item of "data".
using ItemCells = std::function<std::vector<Cells>(const boost::json::object&)>;

// JSON is the API's own object, with every page's items in one "data" if --all. Without `cells`
// the header names the members of an item. Without --all, says on stderr that there is more.
Result<void> print_listing(const ApiClient& api, std::string_view path, Query query,
                           const Listing& listing, bool json, const Cells& header,
                           const ItemCells& cells);

}  // namespace rh::cli
