// Reads the rows of one published upload. Called by EmbeddedLog only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "log/embedded_log.h"

namespace rh::log {

// Errors internal log_damaged if the file's size or header is not the manifest's.
Result<std::unique_ptr<RowReader>> open_log_reader(const std::string& directory, Manifest manifest,
                                                   uint64_t first_cell);

}  // namespace rh::log
