#include "sink/unfinished_uploads.h"

#include "base/log.h"
#include "kafka_log/kafka_log.h"

namespace rh::sink {

bool UnfinishedUploads::is_left(const kafka_log::Published& published, int64_t now) {
    Seen& seen = seen_[published.upload_id];
    if (seen.publisher != published.publisher || seen.written_ms != published.written_ms) {
        seen = {.publisher = published.publisher, .written_ms = published.written_ms, .since = now};
    }
    if (!seen.is_left && now - seen.since > kafka_log::kTakeOverMs) {
        seen.is_left = true;
        log_event(LogLevel::warning,
                  "an upload stays published in part; others do not wait for its last rows, which "
                  "are read again when its process goes on",
                  {{"upload_id", model::to_string(published.upload_id)},
                   {"publisher", published.publisher}});
    }
    return seen.is_left;
}

}  // namespace rh::sink
