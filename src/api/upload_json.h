// An upload as the API shows it: the same JSON from POST, GET, lists and events. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "uploads/progress.h"
#include "uploads/upload.h"

namespace rh::api {

// `change`: what the progress board says, if anything. `duplicate` is true in the answer to a POST
// that created nothing.
std::string upload_json(const uploads::Upload& upload,
                        const std::optional<uploads::ProgressBoard::Change>& change,
                        bool duplicate);

}  // namespace rh::api
