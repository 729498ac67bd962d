// A JSON string, for answers and log lines that are written without building a document. Pure.
#pragma once

#include <string>
#include <string_view>

namespace rh {

// Appends `text` (valid UTF-8) in quotes; quotes, backslashes and control characters are escaped.
void append_json_string(std::string& out, std::string_view text);

}  // namespace rh
