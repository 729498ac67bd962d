#include "sink/lost_uploads.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/plural.h"
#include "sink/audit.h"

namespace rh::sink {

Result<void> LostUploads::compare() {
    // In this order: one that becomes stored in between is in `uploads` already.
    RH_ASSIGN(const auto stored, ledger_.stored_versions());
    RH_ASSIGN(const auto known, uploads_known(store_));
    std::set<model::UploadId> absent;
    for (const auto& upload : stored) {
        if (!known.contains(upload.id)) {
            absent.insert(upload.id);
        }
    }
    const size_t lacking = absent.size();
    {
        const std::scoped_lock lock(mutex_);
        const bool is_news = absent != absent_;
        absent_ = std::move(absent);
        if (!is_news || lacking == 0) {
            return {};
        }
    }
    log_event(LogLevel::error,
              "ClickHouse does not have all uploads that were stored, so their figures are not "
              "given; its directory was lost or is an old one: restore it, or void them and send "
              "the files again with allow_duplicate",
              {{"stored", stored.size()}, {"in_clickhouse", stored.size() - lacking}});
    return {};
}

void LostUploads::note(const model::UploadId& id, bool lost) {
    const std::scoped_lock lock(mutex_);
    if (lost) {
        hollow_.insert(id);
    } else {
        hollow_.erase(id);
    }
}

bool LostUploads::contains(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    return is_lost(id);
}

Result<uint64_t> LostUploads::count_in(uint64_t version) const {
    {
        const std::scoped_lock lock(mutex_);
        if (absent_.empty() && hollow_.empty()) {
            return 0;
        }
    }
    RH_ASSIGN(const auto stored, ledger_.stored_versions());
    const std::scoped_lock lock(mutex_);
    return static_cast<uint64_t>(std::ranges::count_if(stored, [&](const auto& upload) {
        return upload.stored <= version && version < upload.voided && is_lost(upload.id);
    }));
}

Result<uint64_t> LostUploads::count() const {
    RH_ASSIGN(const uint64_t version, ledger_.current_version());
    return count_in(version);
}

Result<void> LostUploads::check(uint64_t version) const {
    RH_ASSIGN(const uint64_t lost, count_in(version));
    if (lost == 0) {
        return {};
    }
    return fail(
        ErrorKind::unavailable, "figures_incomplete",
        fmt::format(
            "ClickHouse does not have the rows of {} counted in version {}, so the figures would "
            "be too small and are not given. Restore its directory from a backup and start the "
            "server again; or void {} (GET /v1/uploads shows the warning figures_incomplete) and "
            "send the files again with allow_duplicate=LABEL. Uploads are taken meanwhile.",
            counted(lost, "stored upload"), version, lost == 1 ? "it" : "them"));
}

}  // namespace rh::sink
