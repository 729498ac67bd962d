// An upload as text (JSON) for other processes: what was asked for, what the file holds and what
// became of it, without its versions and how far its rows are. What is parsed is not trusted. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "uploads/upload.h"

namespace rh::uploads {

std::string portable_text(const Upload& upload);
// nullopt: it is no such text, or something is missing.
std::optional<Upload> parse_portable(std::string_view text);

}  // namespace rh::uploads
