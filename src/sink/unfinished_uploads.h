// Uploads that are published in part and do not go on: most likely the process that publishes them
// has stopped. Rows of them that do not fill a cell would keep the group's offsets where they are,
// and so every upload after them, for as long as it is away. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "kafka_log/records.h"
#include "model/upload_id.h"

namespace rh::sink {

class UnfinishedUploads {
  public:
    // Whether nothing more of it has come into the topic for kafka_log::kTakeOverMs, as far as was
    // seen here. `now` is monotonic.
    bool is_left(const kafka_log::Published& published, int64_t now);
    void clear() { seen_.clear(); }

  private:
    struct Seen {
        std::string publisher;
        int64_t written_ms = 0;  // another one with each record
        int64_t since = 0;
        bool is_left = false;
    };
    std::map<model::UploadId, Seen> seen_;
};

}  // namespace rh::sink
