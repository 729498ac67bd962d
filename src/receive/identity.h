// Who an upload is: the id made of its content and of the options that change its rows, and the
// name it goes by. Pure.
#pragma once

#include <string>
#include <string_view>

#include "model/upload_id.h"
#include "uploads/upload.h"

namespace rh::receive {

// The same for the same bytes (`sha256`: hex, of the file unpacked) with the same resolved
// encoding, delimiter, timezone, empty_amount, allow_negative, label, rules version, and being a
// dry run or not (so a dry run never stands in the way of the real one). File names and error
// policies do not matter.
model::UploadId make_upload_id(std::string_view sha256, const uploads::Request& request);

// What the upload of a dry run would be if it were none: the same with another id.
uploads::Upload in_earnest(uploads::Upload dry_run);

// The last part of a path of any system, without control characters, as valid UTF-8 of at most 255
// bytes.
std::string clean_filename(std::string_view name);

}  // namespace rh::receive
