// Writes the rows of one upload into its staging directory. Called by EmbeddedLog only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "log/embedded_log.h"

namespace rh::log {

struct WriterOptions {
    std::string directory;  // exists and is empty
    model::UploadId upload_id;
    uint32_t epoch = 1;
    bool deflate = false;
};

Result<std::unique_ptr<Writer>> open_log_writer(const WriterOptions& options);

}  // namespace rh::log
