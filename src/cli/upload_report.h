// An upload as a person reads it, from the JSON object that the API sends and `check` makes.
#pragma once

#include <string>

#include "base/result.h"

namespace boost::json {
class object;
}

namespace rh::cli {

// Several lines: name, state, counts, totals, warnings, and what to do about refused rows.
std::string upload_text(const boost::json::object& upload);
// The exit code of an upload in its last state: 1 failed, refused or cancelled; with `strict` 3 if
// rows were refused; else 0.
int upload_exit_code(const boost::json::object& upload, bool strict);

}  // namespace rh::cli
