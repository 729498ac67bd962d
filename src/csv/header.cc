#include "csv/header.h"

#include <fmt/format.h>

#include "base/trim.h"
#include "csv/utf8.h"

namespace rh::csv {
namespace {

constexpr size_t kNamesShownMax = 30;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::unexpected<Error> missing_columns(const Header& header, uint32_t seen) {
    std::string missing;
    size_t count = 0;
    for (size_t c = 0; c < kColumns; ++c) {
        if ((seen >> c & 1) == 0) {
            missing += missing.empty() ? "" : ", ";
            missing += model::kColumnNames[c];
            ++count;
        }
    }
    std::string found;
    for (size_t i = 0; i < header.names.size() && i < kNamesShownMax; ++i) {
        found += fmt::format("{}'{}'", found.empty() ? "" : ", ", printable_name(header.names[i]));
    }
    if (header.names.size() > kNamesShownMax) {
        found += fmt::format(" and {} more", header.names.size() - kNamesShownMax);
    }
    return fail(ErrorKind::invalid_content, "missing_column",
                fmt::format("The header lacks the column{} {}. It has {}. The first line must name "
                            "all ten columns, separated by the file's delimiter.",
                            count == 1 ? "" : "s", missing, found));
}

}  // namespace

int8_t column_named(std::string_view name) {
    const std::string_view bare = trim_blanks(name);
    for (size_t c = 0; c < kColumns; ++c) {
        const std::string_view want = model::kColumnNames[c];
        bool equal = want.size() == bare.size();
        for (size_t i = 0; equal && i < want.size(); ++i) {
            equal = lower(bare[i]) == want[i];
        }
        if (equal) {
            return static_cast<int8_t>(c);
        }
    }
    return -1;
}

Result<Header> read_header(std::span<const std::string_view> fields) {
    if (fields.size() > kHeaderFieldsMax) {
        return fail(ErrorKind::invalid_content, "too_many_columns",
                    fmt::format("The header has {} columns, and at most {} are read, of which ten "
                                "count. Look whether its line end is missing, and leave out what "
                                "is not needed.",
                                fields.size(), kHeaderFieldsMax));
    }
    Header header;
    uint32_t seen = 0;
    int8_t twice = -1;
    for (size_t f = 0; f < fields.size(); ++f) {
        const std::string_view bare = trim_blanks(fields[f]);
        header.names.emplace_back(bare);
        const int8_t column = column_named(bare);
        header.column.push_back(column);
        if (column < 0) {
            header.extra.emplace_back(bare);
            continue;
        }
        if ((seen >> column & 1) != 0 && twice < 0) {
            twice = column;
        }
        seen |= uint32_t{1} << column;
        header.field[static_cast<size_t>(column)] = static_cast<uint32_t>(f);
    }
    if (twice >= 0) {
        return fail(ErrorKind::invalid_content, "duplicate_column",
                    fmt::format("The header names the column {} more than once. Leave one of them "
                                "and rename or remove the other.",
                                model::kColumnNames[static_cast<size_t>(twice)]));
    }
    if (seen != (uint32_t{1} << kColumns) - 1) {
        return missing_columns(header, seen);
    }
    return header;
}

}  // namespace rh::csv
