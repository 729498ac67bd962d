#include "sink/announcer.h"

#include <set>

#include "base/log.h"
#include "uploads/portable.h"

namespace rh::sink {
namespace {

constexpr size_t kNewest = 1'000;

}  // namespace

Result<void> Announcer::tend() {
    RH_ASSIGN(const auto counts, ledger_.count_by_state());
    if (counts == told_) {
        return {};
    }
    std::set<model::UploadId> known;
    for (const kafka_log::Received& said : control_.received_by(node_)) {
        known.insert(said.upload_id);
        RH_ASSIGN(const auto upload, ledger_.find(said.upload_id));
        if (!upload) {
            RH_TRY(control_.append(kafka_log::Received{
                .upload_id = said.upload_id, .receiver = node_, .state = {}, .upload = {}}));
        } else if (uploads::name(upload->state) != said.state) {
            RH_TRY(say(*upload));
        }
    }
    for (size_t state = 0; state < counts.size(); ++state) {
        if (static_cast<uploads::State>(state) == uploads::State::stored) {
            continue;
        }
        // Those of before are known, unless thousands came since the last look.
        const uploads::Ledger::ListFilter newest{.state = static_cast<uploads::State>(state),
                                                 .filename = {},
                                                 .sha256 = {},
                                                 .limit = kNewest,
                                                 .after = {}};
        RH_ASSIGN(const auto uploads, ledger_.list(newest));
        for (const uploads::Upload& upload : uploads) {
            if (!known.contains(upload.id)) {
                RH_TRY(say(upload));
            }
        }
    }
    told_ = counts;
    return {};
}

// What is too large for the brokers is said to people once, and holds up nothing else; it is tried
// again at each change, since their limit may be another one by then.
Result<void> Announcer::say(const uploads::Upload& upload) {
    auto said =
        control_.append(kafka_log::Received{.upload_id = upload.id,
                                            .receiver = node_,
                                            .state = std::string(uploads::name(upload.state)),
                                            .upload = uploads::portable_text(upload)});
    if (said) {
        too_large_.erase(upload.id);
        return {};
    }
    if (said.error().code != "kafka_record_too_large") {
        return std::unexpected(std::move(said).error());
    }
    if (!too_large_.insert(upload.id).second) {
        return {};
    }
    log_event(LogLevel::error, "other processes cannot be told of an upload",
              {{"upload_id", model::to_string(upload.id)},
               {"code", said.error().code},
               {"detail", said.error().message}});
    return {};
}

}  // namespace rh::sink
