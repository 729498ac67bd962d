#include "reconcile/statement.h"

#include <utility>

#include <fmt/format.h>

namespace rh::reconcile {
namespace {

constexpr uint64_t kBytesBetweenSpaceChecks = 32ULL << 20;

}  // namespace

StatementWriter::StatementWriter(std::string path, io::File file, io::ContentEncoding packing,
                                 const StatementLimits& limits, Look look)
    : path_(std::move(path)),
      file_(std::move(file)),
      packing_(packing),
      limits_(limits),
      look_(std::move(look)),
      unpacker_(io::Unpacker::make(packing)) {}

Result<StatementWriter> StatementWriter::create(const std::string& path,
                                                io::ContentEncoding packing,
                                                const StatementLimits& limits, Look look) {
    RH_ASSIGN(auto file, io::File::create(path));
    return StatementWriter(path, std::move(file), packing, limits, std::move(look));
}

Result<void> StatementWriter::keep(std::string_view bytes) {
    unpacked_ += bytes.size();
    if (unpacked_ > limits_.bytes_max) {
        return fail(ErrorKind::too_large, "statement_too_large",
                    fmt::format("The statement is larger than {} bytes. Split it by time and send "
                                "the parts.",
                                limits_.bytes_max));
    }
    RH_TRY(
        io::check_ratio(packing_, packed_, unpacked_,
                        {.ratio_max = limits_.ratio_max, .free_bytes = limits_.ratio_free_bytes}));
    if (unpacked_ - space_checked_at_ >= kBytesBetweenSpaceChecks) {
        space_checked_at_ = unpacked_;
        RH_TRY(io::check_free_bytes(path_, limits_.free_bytes_min, "reconcile again"));
    }
    if (look_) {
        look_(bytes);
    }
    detector_.feed(bytes);
    return file_.write_all(bytes);
}

Result<void> StatementWriter::write(std::string_view body) {
    packed_ += body.size();
    return unpacker_->feed(body, [this](std::string_view bytes) { return keep(bytes); });
}

Result<void> StatementWriter::check_end() const {
    return packed_ > 0 ? unpacker_->finish() : Result<void>();
}

Result<Charset> StatementWriter::finish(std::optional<Charset> asked) {
    RH_TRY(check_end());
    if (unpacked_ == 0) {
        return fail(ErrorKind::invalid_content, "empty_file",
                    "The file has no bytes. Send a CSV file with a header and rows.");
    }
    RH_TRY(file_.sync());
    RH_TRY(file_.close());
    return detector_.judge(asked);
}

}  // namespace rh::reconcile
