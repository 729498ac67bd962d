// A statement on disk: a CSV that is compared and never counted. Its body comes as it is, gzip or
// zstd, and is kept unpacked as DIR/reconciliations/ID/statement.csv until its reconciliation is
// over. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"
#include "io/unpack.h"
#include "reconcile/charset.h"

namespace rh::reconcile {

struct StatementLimits {
    uint64_t bytes_max = 4ULL << 30;         // unpacked
    uint64_t ratio_max = 200;                // unpacked : packed,
    uint64_t ratio_free_bytes = 8ULL << 20;  // once more than this are unpacked
    uint64_t free_bytes_min = 0;             // that must stay free on the disk
};

class StatementWriter {
  public:
    // Is shown what is unpacked.
    using Look = std::function<void(std::string_view)>;
    static Result<StatementWriter> create(const std::string& path, io::ContentEncoding packing,
                                          const StatementLimits& limits, Look look = nullptr);

    // Errors: too_large statement_too_large, decompression_ratio; invalid_content bad_gzip,
    // bad_zstd; storage_full.
    Result<void> write(std::string_view body);
    // At the end of the body. Errors (invalid_content): truncated_gzip, truncated_zstd.
    Result<void> check_end() const;
    // The end of the body; the encoding to read it in. Errors (invalid_content): those of
    // check_end(), empty_file, and those of CharsetDetector::judge.
    Result<Charset> finish(std::optional<Charset> asked);

  private:
    StatementWriter(std::string path, io::File file, io::ContentEncoding packing,
                    const StatementLimits& limits, Look look);
    Result<void> keep(std::string_view bytes);

    std::string path_;
    io::File file_;
    io::ContentEncoding packing_;
    StatementLimits limits_;
    Look look_;
    std::unique_ptr<io::Unpacker> unpacker_;
    CharsetDetector detector_;
    uint64_t packed_ = 0, unpacked_ = 0, space_checked_at_ = 0;
};

}  // namespace rh::reconcile
