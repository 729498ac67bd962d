// An upload as the API shows it: the same JSON from POST, GET, lists and events. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "uploads/progress.h"
#include "uploads/reject_file.h"
#include "uploads/upload.h"

namespace rh::api {

// Faults that the error of a refused upload shows; all of them are at its link `rejects`.
inline constexpr size_t kErrorsShownMax = 20;

// `change`: what the progress board says, if anything. `duplicate` is true in the answer to a POST
// that created nothing. `rejects`: the first refused rows, which the error of a refused upload
// lists up to kErrorsShownMax faults.
std::string upload_json(const uploads::Upload& upload,
                        const std::optional<uploads::ProgressBoard::Change>& change, bool duplicate,
                        std::span<const uploads::StoredReject> rejects = {});

}  // namespace rh::api
