// Which games in which hours a file has, in bounded memory: a file of a month has some ten thousand
// of them, whatever its number of rows. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/game_hour.h"
#include "model/row_batch.h"

namespace rh::publish {

class GameHours {
  public:
    static constexpr size_t kMax = 2'000'000;  // 32 MB of them

    explicit GameHours(size_t max = kMax) : max_(max) {}

    void add(const model::RowBatch& rows);
    // Ascending, each once; none if there are more than `max`. The last call.
    std::optional<std::vector<model::GameHour>> finish();

  private:
    void drop_repeats();

    const size_t max_;
    bool too_many_ = false;
    size_t distinct_ = 0;  // the first ones of seen_, ascending
    std::vector<model::GameHour> seen_;
};

}  // namespace rh::publish
