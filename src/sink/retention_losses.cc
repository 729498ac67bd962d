#include "sink/retention_losses.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace rh::sink {
namespace {

bool had_rows(const kafka_log::Published& upload, size_t partition,
              const std::pair<int64_t, int64_t>& offsets) {
    if (partition >= upload.partitions.size()) {
        return false;
    }
    const auto& rows = upload.partitions[partition];
    return rows.first_offset >= 0 && rows.first_offset < offsets.second &&
           rows.last_offset >= offsets.first;
}

}  // namespace

bool RetentionLosses::note(const kafka_log::Published& upload, size_t partition) {
    Lost& lost = lost_[upload.upload_id];
    if (std::exchange(lost.epoch, upload.epoch) != upload.epoch) {
        lost.partitions.clear();
    }
    return lost.partitions.insert(partition).second;
}

void RetentionLosses::tell(const Dropped& dropped) {
    const auto open = control_.open_uploads();
    std::string uploads;
    std::set<size_t> partitions;
    const std::scoped_lock lock(mutex_);
    for (const kafka_log::Published& upload : open) {
        bool is_news = false;
        for (const auto& [partition, offsets] : dropped) {
            if (had_rows(upload, partition, offsets) && note(upload, partition)) {
                partitions.insert(partition);
                is_news = true;
            }
        }
        if (is_news) {
            uploads += fmt::format("{}{} (published by {})", uploads.empty() ? "" : ", ",
                                   model::to_string(upload.upload_id), upload.publisher);
        }
    }
    if (uploads.empty()) {
        return;
    }
    std::string lost = fmt::format("topic {}, uploads {}, partitions", topic_, uploads);
    for (const size_t partition : partitions) {
        lost += fmt::format(" {} (below offset {})", partition, dropped.at(partition).second);
    }
    log_event(LogLevel::error,
              "the topic's retention dropped rows that were not stored yet; the processes that "
              "published their uploads do so again from the originals",
              {{"code", "kafka_retention_lost"}, {"detail", lost}});
    ++times_;
    last_ = std::move(lost);
}

void RetentionLosses::look_after() {
    const auto open = control_.open_uploads();
    const std::scoped_lock lock(mutex_);
    std::erase_if(lost_, [&](const auto& lost) {
        return std::ranges::none_of(open, [&](const kafka_log::Published& upload) {
            return upload.upload_id == lost.first && upload.epoch == lost.second.epoch;
        });
    });
    open_uploads_ = open.size();
}

void RetentionLosses::add_to(TopicConsumer::Health& health) const {
    const std::scoped_lock lock(mutex_);
    health.open_uploads = open_uploads_;
    health.lost_uploads = lost_.size();
    health.retention_losses = times_;
    health.retention_lost = last_;
}

}  // namespace rh::sink
