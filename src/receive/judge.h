// What can be said of a file before any of its rows is validated: its encoding, its delimiter, its
// header, and that there are rows at all. Whatever is wrong here refuses the file as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "csv/encoding.h"
#include "uploads/upload.h"

namespace rh::receive {

struct Content {
    uint64_t bytes = 0;  // of the file, unpacked
    csv::EncodingSniffer::Verdict sniffed;
    bool looks_compressed = false;  // begins like a gzip or zstd file
    bool looks_zip = false;         // begins like a ZIP archive, as Excel's workbooks do
    bool in_form = false;           // it came as a part of a form
};

// The encoding to read the file in: what was asked for unless the bytes contradict it, else what
// was sniffed. Errors invalid_content: binary_file, wrong_encoding, truncated_encoding.
Result<csv::Encoding> resolve_encoding(const Content& content, std::optional<csv::Encoding> asked);

// Reads the file at `original` (uploads/original.h) as far as needed to find the delimiter (unless
// one was asked for: sets request.csv.delimiter), check the header and see one record. Errors
// invalid_content: unknown_delimiter, missing_column, duplicate_column, too_many_columns,
// header_unreadable, no_rows, empty_file.
Result<void> judge_header(const std::string& original, std::optional<char> asked_delimiter,
                          uploads::Request& request);

}  // namespace rh::receive
