#include "sink/unread_partitions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"

namespace rh::sink {
namespace {

constexpr int64_t kLookMs = 10'000;
constexpr unsigned kLooks = 2;

}  // namespace

bool UnreadPartitions::look(kafka::Admin& admin, int64_t now) {
    if (now - looked_at_ < kLookMs) {
        return false;
    }
    looked_at_ = now;
    const auto count = admin.partition_count(topic_);
    const auto read = count ? admin.partitions_read(group_, topic_) : std::nullopt;
    if (!read) {
        return false;  // nobody knows just now
    }
    std::vector<int32_t> unread;
    for (int32_t partition = 0; partition < *count; ++partition) {
        if (!read->contains(partition)) {
            unread.push_back(partition);
        }
    }
    if (unread.empty()) {
        seen_ = 0;
        errors_.note_unread({});
        return false;
    }
    if (++seen_ < kLooks) {
        return false;
    }
    seen_ = 0;
    Error error{.kind = ErrorKind::unavailable,
                .code = "kafka_partitions_unread",
                .message = fmt::format("Kafka: no member of group {} reads partitions {} of topic "
                                       "{}. The members share them out anew.",
                                       group_, fmt::join(unread, ", "), topic_),
                .verdict = Verdict::retry};
    log_event(LogLevel::warning, "partitions of the topic are read by nobody",
              {{"code", error.code}, {"detail", error.message}});
    errors_.note_unread(std::move(error));
    return true;
}

}  // namespace rh::sink
