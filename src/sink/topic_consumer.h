// What brings the rows of the topic into game_rounds, of whatever uploads they are: this process as
// a member of a consumer group (group_sink.h), or the ClickHouse servers themselves
// (engine_consumer.h). It decides nothing: an upload is stored when ClickHouse's content equals its
// manifest (sink.h). Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "kafka_log/records.h"

namespace rh::sink {

class TopicConsumer {
  public:
    virtual ~TopicConsumer() = default;

    virtual void begin() = 0;  // ClickHouse may be asked from now on
    virtual void request_stop() = 0;
    virtual void tend_soon() = 0;                 // what is to be told to other processes waits
    virtual const std::string& node() const = 0;  // of this process

    // Whether every row of the manifest was brought into ClickHouse, by whichever process, as far
    // as the group's offsets say. Errors are kafka's.
    virtual Result<bool> has_taken(const kafka_log::Published& manifest) = 0;

    struct Health {
        uint64_t rows_inserted = 0;  // by this process since its start
        size_t partitions = 0;       // that are read now: by this process, or by ClickHouse
        uint64_t dead_letters = 0;   // in the table
        // Of uploads that nobody has published, in game_rounds: where ClickHouse consumes the topic
        // itself. Elsewhere such rows are dead letters.
        uint64_t unknown_rows = 0;
        uint64_t unknown_uploads = 0;
        uint64_t open_uploads = 0;  // of all processes: published and not stored
        // Times that retention dropped rows that were not stored, what it was the last time (empty:
        // never), and how many uploads are not published again and stored since.
        uint64_t retention_losses = 0;
        std::string retention_lost;
        uint64_t lost_uploads = 0;
        std::optional<Error> last_error;
    };
    virtual Health health() const = 0;
};

}  // namespace rh::sink
