// The bytes of an upload as its sender has them: original.zst, unpacked piece by piece. Used to
// validate and publish, to give the file back and to reconcile: it is decompression only, and knows
// nothing of CSV.
//
// The file is ordinary zstd (RFC 8878; `zstd -d` reads it): frames of 512 KiB of content, each with
// its size and a checksum, then one skippable frame with the length of the whole content, which
// tells a whole file from one that was cut between two frames.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::uploads {

class OriginalReader {
  public:
    // Error not_found file_not_found.
    static Result<OriginalReader> open(const std::string& path);
    OriginalReader(OriginalReader&&) noexcept;
    OriginalReader& operator=(OriginalReader&&) noexcept;
    ~OriginalReader();

    // The next bytes (up to 512 KiB), valid until the next call; empty at the end. Error internal
    // original_damaged: the file is cut or altered.
    Result<std::string_view> next();
    uint64_t packed_bytes_read() const;

  private:
    struct State;
    explicit OriginalReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Writes such a file; compresses in a thread of its own. One thread calls.
class OriginalWriter {
  public:
    static Result<OriginalWriter> create(const std::string& path);
    OriginalWriter(OriginalWriter&&) noexcept;
    OriginalWriter& operator=(OriginalWriter&&) noexcept;
    ~OriginalWriter();  // closes without a sync

    Result<void> write(std::string_view bytes);
    // Ends the stream, syncs and closes the file. The directory is the caller's to sync.
    Result<void> finish();
    uint64_t packed_bytes() const;  // of the file, once it is finished

  private:
    struct State;
    explicit OriginalWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace rh::uploads
