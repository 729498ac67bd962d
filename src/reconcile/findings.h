// The discrepancies of one reconciliation as a file: one JSON line each, in the order of player,
// game and hour. A byte offset at a line's start is a cursor that stays good, since the file is
// never changed once its reconciliation is done. One thread an object.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "reconcile/compare.h"

namespace rh::reconcile {

// {"player_id","game_id","hour","class","original":{"rounds",…}|null,"stored","aggregated"}, and
// for wrong_hour "other_hour"; of a rollup beside `hourly` "table", player_id and hour may be null,
// and `games` adds "provider" and "game_name".
std::string to_json(const Discrepancy& discrepancy);

class FindingsWriter {
  public:
    static Result<FindingsWriter> create(const std::string& path);  // truncates
    Result<void> add(const Discrepancy& discrepancy);
    Result<void> finish();  // writes what is left, syncs and closes

  private:
    explicit FindingsWriter(io::File file) : file_(std::move(file)) {}
    io::File file_;
    std::string pending_;
};

struct FindingsPage {
    std::vector<std::string> lines;  // JSON objects
    uint64_t next_offset = 0;
    bool at_end = true;
};

// At most `limit` lines from `offset` on. Error invalid_request bad_cursor: no line begins there.
Result<FindingsPage> read_findings(const std::string& path, uint64_t offset, size_t limit);

}  // namespace rh::reconcile
