// One pass over a body: unpack, digest, sniff, compress into the spool directory. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "receive/judge.h"
#include "receive/receiver.h"
#include "receive/sha256.h"

namespace rh::receive {

struct Spooled {
    Content content;
    Sha256 sha256{};  // of the file, unpacked
};

// Reads `source` to its end and leaves the file in `directory`/original.zst, synced, its directory
// too. `on_body_bytes` is told how many bytes came. Errors: those of Receiver::receive up to
// empty_file. What is left in the directory after one is the caller's to remove.
Result<Spooled> spool(const std::string& directory, const Source& source, const Options& options,
                      const Limits& limits, const std::function<void(size_t)>& on_body_bytes);

}  // namespace rh::receive
