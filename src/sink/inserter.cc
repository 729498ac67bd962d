#include "sink/inserter.h"

#include <utility>

#include "base/kill_point.h"
#include "base/without_exceptions.h"
#include "sink/leftovers.h"

namespace rh::sink {

Inserter::Inserter(const clickhouse::Client& owner, const model::UploadId& upload_id,
                   uint32_t partition, const InsertKillPoints& kill_points)
    : owner_(owner),
      kill_points_(kill_points),
      upload_id_(upload_id),
      block_(upload_id, partition) {
    for (unsigned i = 0; i < kInsertsInFlight; ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

Inserter::~Inserter() {
    {
        const std::scoped_lock lock(mutex_);
        ending_ = true;
        next_.reset();
    }
    changed_.notify_all();
    threads_.clear();  // joins them, while all they use is there
}

Result<void> Inserter::submit(model::RowBatch cell, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const bool taken = changed_.wait_for(lock, patience, [this] { return !next_ || error_; });
    if (error_) {
        return std::unexpected(*error_);
    }
    if (!taken) {
        return fail(ErrorKind::unavailable, "clickhouse_busy",
                    "ClickHouse does not take rows as fast as they are read.", Verdict::retry);
    }
    next_ = std::move(cell);
    lock.unlock();
    changed_.notify_all();
    return {};
}

Result<void> Inserter::drain() {
    std::unique_lock lock(mutex_);
    draining_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return (!next_ && sending_ == 0) || error_; });
    draining_ = false;
    if (error_) {
        return std::unexpected(*error_);
    }
    return {};
}

void Inserter::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || (next_ && !feeding_); });
        if (ending_) {
            return;
        }
        feeding_ = true;
        ++sending_;
        lock.unlock();
        kill_point(kill_points_.before);
        auto sent = without_exceptions([this] { return send_insert(); });
        kill_point(kill_points_.after);
        lock.lock();
        --sending_;
        if (!sent && !error_) {
            error_ = std::move(sent).error();
            next_.reset();
        }
        changed_.notify_all();
    }
}

Result<void> Inserter::send_insert() {
    Body body;
    bool fed = false;
    const auto next_body = [&]() -> Result<std::string_view> {
        RH_ASSIGN(const std::string_view piece, next_piece(body));
        if (piece.empty()) {
            fed = true;
            stop_feeding();
        }
        return piece;
    };
    clickhouse::Settings settings = clickhouse::insert_settings();
    settings.emplace_back("query_id", insert_query_id(upload_id_));
    auto sent = owner_.insert(clickhouse::insert_game_rounds_sql(), next_body, {}, settings);
    if (!fed) {  // it failed before its end
        stop_feeding();
    }
    return sent;
}

// Another INSERT may take the next cells.
void Inserter::stop_feeding() {
    {
        const std::scoped_lock lock(mutex_);
        feeding_ = false;
    }
    changed_.notify_all();
}

Result<std::string_view> Inserter::next_piece(Body& body) {
    if (body.sent == body.pieces.size()) {
        const auto cell = body.cells < kCellsPerInsert ? take_cell() : std::nullopt;
        if (!cell) {
            return std::string_view();
        }
        block_.clear();
        block_.append(*cell);
        body = {.pieces = block_.encode(), .sent = 0, .cells = body.cells + 1};
    }
    return body.pieces[body.sent++];
}

// Waits for a cell; none when the INSERT is to end with those it has.
std::optional<model::RowBatch> Inserter::take_cell() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return next_ || draining_ || ending_ || error_; });
    auto cell = std::exchange(next_, std::nullopt);
    lock.unlock();
    changed_.notify_all();
    return cell;
}

}  // namespace rh::sink
