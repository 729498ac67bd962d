// The flags that say how rows are read: the same for upload, check, convert and reconcile; and
// which files are refused for their rows.
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

// How many refused rows a file may have: the same for upload and check.
struct PolicyFlags {
    std::string on_error;    // empty: quarantine
    std::string max_errors;  // a whole number; empty: no bound
};

void add_policy_flags(CLI::App& command, PolicyFlags& flags);
void add_row_flags(CLI::App& command, RowFlags& flags);
// As the query parameters of the API.
Query query_of(const RowFlags& flags);

}  // namespace rh::cli
