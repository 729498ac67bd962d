// A statement on disk: a CSV that is compared and never counted. Its body comes as it is, gzip or
// zstd, and is kept unpacked as DIR/reconciliations/ID/statement.csv until its reconciliation is
// over. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"
#include "reconcile/charset.h"

namespace rh::reconcile {

enum class Packing : uint8_t { none, gzip, zstd };

// Of a Content-Encoding header; empty and "identity": none. nullopt: not one of these.
std::optional<Packing> parse_packing(std::string_view content_encoding);

struct StatementLimits {
    uint64_t bytes_max = 4ULL << 30;  // unpacked
    uint64_t ratio_max = 1000;        // unpacked : packed, once more than 16 MiB are unpacked
};

class StatementWriter {
  public:
    static Result<StatementWriter> create(const std::string& path, Packing packing,
                                          const StatementLimits& limits);
    StatementWriter(StatementWriter&&) noexcept;
    StatementWriter& operator=(StatementWriter&&) = delete;
    ~StatementWriter();

    // Errors: too_large statement_too_large or ratio_too_large; invalid_content bad_gzip, bad_zstd.
    Result<void> write(std::string_view body);
    // Errors: invalid_content empty_file, and bad_gzip or bad_zstd for a body that was cut.
    Result<void> finish();
    Charset detected_charset() const;

  private:
    struct State;
    explicit StatementWriter(std::unique_ptr<State> state);
    Result<void> keep(std::string_view bytes);
    Result<void> gunzip(std::string_view body);
    Result<void> unzstd(std::string_view body);
    std::unique_ptr<State> state_;
};

}  // namespace rh::reconcile
