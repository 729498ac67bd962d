// Cells of CSV answers (RFC 4180). Pure.
#pragma once

#include <string>
#include <string_view>

namespace rh::api {

// Appends `text`, quoted where it must be. With `guard`, text that a spreadsheet would run as a
// formula (it begins with = + - @ tab or CR and is no number) gets an apostrophe before it.
void append_csv_cell(std::string& out, std::string_view text, bool guard);

}  // namespace rh::api
