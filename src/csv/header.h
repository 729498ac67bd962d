// The header: names to columns. Names in any order, case and surrounding blanks ignored; each of
// the ten once; others are extra.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/row_batch.h"

namespace rh::csv {

inline constexpr size_t kColumns = model::kColumnNames.size();
// Far more than any table that holds game rounds has. Without a limit a file of a few packed
// kilobytes has a million names, and as many faults a row.
inline constexpr size_t kHeaderFieldsMax = 1'000;

struct Header {
    std::array<uint32_t, kColumns> field{};  // which field of a record holds a column
    std::vector<int8_t> column;              // the column of each field; -1: extra
    std::vector<std::string> names;          // as they stand in the file, blanks trimmed
    std::vector<std::string> extra;
};

// Without spaces, tabs at both ends.
// The column with that name, case and surrounding blanks ignored; -1: none of the ten.
int8_t column_named(std::string_view name);

// `fields`: the header's fields without their quotes, valid UTF-8. Errors invalid_content:
// too_many_columns, duplicate_column, missing_column (names all that are missing and lists what is
// there).
Result<Header> read_header(std::span<const std::string_view> fields);

}  // namespace rh::csv
