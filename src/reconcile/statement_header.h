// Judges the header of a statement as soon as its body is there, so that a file of another kind is
// refused at once and not after its turn in the queue. Reads the beginning of the file.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "reconcile/charset.h"

namespace rh::reconcile {

// A header that is longer than this, in bytes of the file, is none.
inline constexpr size_t kHeaderBytesMax = 1 << 20;

// The delimiter: the one that was named, or the one that parts the column names. Errors
// (invalid_content): missing_column, duplicate_column, empty_file, no_rows,
// header_unreadable.
Result<char> read_statement_header(const std::string& path, Charset charset,
                                   std::optional<char> delimiter);

}  // namespace rh::reconcile
