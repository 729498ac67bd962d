#include "sink/unread_partitions.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.h"
#include "base/sleep.h"
#include "base/without_exceptions.h"

namespace rh::sink {
namespace {

constexpr int64_t kLookMs = 10'000;
constexpr int kAnswerWithinMs = 2'000;

}  // namespace

UnreadPartitions::UnreadPartitions(kafka::Cluster cluster, std::string group, std::string topic,
                                   GroupErrors& errors)
    : cluster_(std::move(cluster)),
      group_(std::move(group)),
      topic_(std::move(topic)),
      errors_(errors),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void UnreadPartitions::run(const std::stop_token& stop) {
    while (true) {
        sleep_unless_stopped(stop, kLookMs);
        if (stop.stop_requested()) {
            return;
        }
        if (!without_exceptions([&] { return look(); })) {
            admin_.reset();  // it may have lost its way to the group
            errors_.note_unread({});
        }
    }
}

// An Error: nobody knows just now.
Result<void> UnreadPartitions::look() {
    if (admin_ == nullptr) {
        RH_ASSIGN(admin_, kafka::Admin::create(cluster_));
    }
    // What cannot be asked is not waited for: a question that has begun ends with its time only.
    RH_TRY(admin_->check_answers(kAnswerWithinMs));
    RH_ASSIGN(const int32_t count, admin_->partition_count(topic_));
    const auto read = admin_->partitions_read(group_, topic_);
    if (!read) {
        return fail(ErrorKind::unavailable, "kafka_unavailable",
                    "The group shares its partitions out just now, or does not answer.",
                    Verdict::retry);
    }
    std::vector<int32_t> unread;
    for (int32_t partition = 0; partition < count; ++partition) {
        if (!read->contains(partition)) {
            unread.push_back(partition);
        }
    }
    if (unread.empty()) {
        seen_ = false;
        errors_.note_unread({});
        return {};
    }
    if (!std::exchange(seen_, true)) {
        return {};
    }
    seen_ = false;
    Error error{.kind = ErrorKind::unavailable,
                .code = "kafka_partitions_unread",
                .message = fmt::format("Kafka: no member of group {} reads partitions {} of topic "
                                       "{}. The members share them out anew.",
                                       group_, fmt::join(unread, ", "), topic_),
                .verdict = Verdict::retry};
    log_event(LogLevel::warning, "partitions of the topic are read by nobody",
              {{"code", error.code}, {"detail", error.message}});
    errors_.note_unread(std::move(error));
    due_ = true;
    return {};
}

}  // namespace rh::sink
