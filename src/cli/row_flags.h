// The flags that say how rows are read: the same for upload, check, convert and reconcile.
#pragma once

#include <string>

#include "cli/api_client.h"

namespace CLI {
class App;
}

namespace rh::cli {

struct RowFlags {
    std::string encoding;  // empty: detected
    std::string delimiter;
    std::string timezone;
    std::string empty_amount;
    bool allow_negative = false;
};

void add_row_flags(CLI::App& command, RowFlags& flags);
// As the query parameters of the API.
Query query_of(const RowFlags& flags);

}  // namespace rh::cli
