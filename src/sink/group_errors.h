// What a member of the consumer group (group_sink.h) says of its health: what went wrong, until it
// is over. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "base/result.h"

namespace rh::sink {

class GroupErrors {
  public:
    // Ended a session: it is over when rows are in ClickHouse again, or when the next one lasts.
    void note_session(Error error);
    // Of an INSERT that is tried again: it is over when one succeeds, or when nobody tries one any
    // more, since the rows are another process's by now.
    void note_insert(Error error);

    // Of what processes tell each other and the shards; nothing: it went well.
    void note_tending(std::optional<Error> error);
    // Of partitions that no member reads; nothing: there are none.
    void note_unread(std::optional<Error> error);

    void rows_came();
    // From time to time: for how long the session has gone well, and whether INSERTs are under way.
    void look(int64_t session_ms, bool inserts);

    std::optional<Error> last() const;

  private:
    Error judged_by_history(Error error);

    mutable std::mutex mutex_;  // guards all below
    std::optional<Error> session_;
    std::optional<Error> insert_;
    std::optional<Error> tending_;
    std::optional<Error> unread_;
    std::optional<int64_t> fenced_at_;  // last; monotonic
};

}  // namespace rh::sink
