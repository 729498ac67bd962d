#include "sink/lost_uploads.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/plural.h"
#include "sink/audit.h"

namespace rh::sink {

Result<void> LostUploads::compare() {
    // In this order: one that becomes stored in between is in `uploads` already.
    RH_ASSIGN(const auto stored, ledger_.stored_versions());
    RH_ASSIGN(const auto known, uploads_known(store_));
    size_t lacking = 0;
    bool is_news = false;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& upload : stored) {
            if (!known.contains(upload.id)) {
                ++lacking;
                is_news = lost_.insert(upload.id).second || is_news;
            }
        }
    }
    if (is_news) {
        log_event(LogLevel::error,
                  "ClickHouse does not have all uploads that were stored, so their figures are "
                  "not given; its directory was lost or is an old one: restore it, or void them "
                  "and send the files again with allow_duplicate",
                  {{"stored", stored.size()}, {"in_clickhouse", stored.size() - lacking}});
    }
    return {};
}

void LostUploads::note(const model::UploadId& id, bool lost) {
    const std::scoped_lock lock(mutex_);
    if (lost) {
        lost_.insert(id);
    } else {
        lost_.erase(id);
    }
}

bool LostUploads::contains(const model::UploadId& id) const {
    const std::scoped_lock lock(mutex_);
    return lost_.contains(id);
}

Result<uint64_t> LostUploads::count_in(uint64_t version) const {
    {
        const std::scoped_lock lock(mutex_);
        if (lost_.empty()) {
            return 0;
        }
    }
    RH_ASSIGN(const auto stored, ledger_.stored_versions());
    const std::scoped_lock lock(mutex_);
    return static_cast<uint64_t>(std::ranges::count_if(stored, [&](const auto& upload) {
        return upload.stored <= version && version < upload.voided && lost_.contains(upload.id);
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
