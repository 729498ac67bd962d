#include "publish/validation.h"

#include <atomic>
#include <span>

#include "base/kill_point.h"
#include "base/lane.h"
#include "csv/encoding.h"
#include "uploads/original.h"
#include "uploads/reject_file.h"

namespace rh::publish {
namespace {

class RowTaker final : public csv::Consumer {
  public:
    RowTaker(const ValidationInput& input, uploads::RejectWriter rejects)
        : input_(input),
          rejects_(std::move(rejects)),
          duplicates_(input.spill),
          lane_([this](model::RowBatch& batch) { return encode(batch); }) {}

    Result<void> on_rows(model::RowBatch& batch) override { return lane_.push(batch); }

    Result<void> on_rejects(std::span<const model::Reject> rejects) override {
        rejected_ += rejects.size();
        if (rejected_ > input_.rejects_max) {
            within_policy_.store(false, std::memory_order_relaxed);
        }
        return rejects_.add(rejects);
    }

    Result<Validated> finish(const csv::Report& report) {
        RH_TRY(lane_.finish());
        RH_TRY(rejects_.finish());
        RH_ASSIGN(const auto duplicates, duplicates_.finish());
        return Validated{
            .report = report, .duplicates = duplicates, .within_policy = within_policy_.load()};
    }

  private:
    // On the lane's thread.
    Result<void> encode(model::RowBatch& batch) {
        RH_TRY(duplicates_.add(batch.game_instance_id));
        if (input_.game_hours != nullptr) {
            input_.game_hours->add(batch);
        }
        if (input_.log != nullptr && within_policy_.load(std::memory_order_relaxed)) {
            RH_TRY(input_.log->append(batch));
            kill_point("validate_middle");
            if (input_.take_rows) {
                input_.take_rows(batch);
            }
        }
        return {};
    }

    const ValidationInput& input_;
    uploads::RejectWriter rejects_;
    uint64_t rejected_ = 0;
    std::atomic<bool> within_policy_ = true;
    DuplicateIds duplicates_;
    Lane<model::RowBatch> lane_;  // last: its thread uses the others and ends first
};

Result<uploads::OriginalReader> open_original(const std::string& path) {
    auto original = uploads::OriginalReader::open(path);
    if (!original && original.error().kind == ErrorKind::not_found) {
        return fail(ErrorKind::internal, "original_missing",
                    "The stored file of the upload is gone. Send it again.");
    }
    return original;
}

}  // namespace

Result<Validated> validate(const ValidationInput& input) {
    RH_ASSIGN(auto original, open_original(input.original));
    RH_ASSIGN(auto rejects, uploads::RejectWriter::create(input.rejects));
    RowTaker taker(input, std::move(rejects));
    csv::Transcoder transcoder(input.upload.request.encoding);
    csv::Reader reader(input.upload.request.csv, taker);
    uint64_t bytes = 0;
    while (true) {
        RH_ASSIGN(const std::string_view piece, original.next());
        if (piece.empty()) {
            break;
        }
        bytes += piece.size();
        RH_TRY(reader.feed(transcoder.feed(piece)));
        RH_TRY(input.on_progress(reader.report().rows.read, bytes));
    }
    RH_ASSIGN(const std::string_view rest, transcoder.finish());
    RH_TRY(reader.feed(rest));
    RH_TRY(reader.finish());
    return taker.finish(reader.report());
}

}  // namespace rh::publish
