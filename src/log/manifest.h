// The manifest of one upload in the embedded log ↔ text (docs/formats/log.md): two lines, the
// manifest as JSON and the hash of that line. Pure; what is parsed is not trusted.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "log/embedded_log.h"

namespace rh::log {

std::string manifest_text(const Manifest& manifest);
// Error internal log_damaged unless the hash is right, every part is there, and rows, sums, bytes
// and blocks agree with each other.
Result<Manifest> parse_manifest(std::string_view text);

std::unexpected<Error> log_damaged(std::string_view what);

}  // namespace rh::log
