#include "sink/shard_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/kill_point.h"
#include "base/without_exceptions.h"
#include "clickhouse/native_block.h"

namespace rh::sink {
namespace {

constexpr int64_t kRetryFirstMs = 100;
constexpr int64_t kRetryLastMs = 5'000;

}  // namespace

ShardWriter::ShardWriter(const clickhouse::Client& owner,
                         std::function<bool(const model::UploadId&)> counts,
                         std::function<void(const Error&)> on_error)
    : owner_(owner),
      counts_(std::move(counts)),
      on_error_(std::move(on_error)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ShardWriter::~ShardWriter() = default;

bool ShardWriter::can_take() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.empty();
}

bool ShardWriter::can_take_before(std::chrono::steady_clock::time_point time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, time, [this] { return waiting_.empty(); });
}

bool ShardWriter::is_busy() const {
    const std::scoped_lock lock(mutex_);
    return inserting_ || !waiting_.empty();
}

void ShardWriter::give(std::vector<PartitionCell> cells) {
    {
        const std::scoped_lock lock(mutex_);
        waiting_ = std::move(cells);
    }
    changed_.notify_all();
}

std::vector<PartitionCell> ShardWriter::take_done() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(done_, {});
}

void ShardWriter::run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
        std::vector<PartitionCell> cells = std::exchange(waiting_, {});
        inserting_ = true;
        changed_.notify_all();
        int64_t retry_ms = kRetryFirstMs;
        while (!stop.stop_requested()) {
            lock.unlock();
            kill_point("sink_before_insert");
            const auto inserted = without_exceptions([&] {
                empty_uncounted(cells);
                return insert(cells);
            });
            if (inserted) {
                kill_point("sink_after_insert");
            } else if (!stop.stop_requested()) {
                on_error_(inserted.error());
            }
            lock.lock();
            if (inserted) {
                for (PartitionCell& cell : cells) {
                    cell.count = cell.rows.size();
                    cell.rows = {};
                    done_.push_back(std::move(cell));
                }
                break;
            }
            changed_.wait_for(lock, stop, std::chrono::milliseconds(retry_ms),
                              [] { return false; });
            retry_ms = std::min(retry_ms * 2, kRetryLastMs);
        }
        inserting_ = false;
    }
}

void ShardWriter::empty_uncounted(std::vector<PartitionCell>& cells) const {
    for (PartitionCell& cell : cells) {
        if (!counts_(cell.upload_id)) {
            cell.rows = {};
        }
    }
}

// One Native block a cell; ClickHouse gathers them.
Result<void> ShardWriter::insert(const std::vector<PartitionCell>& cells) const {
    const auto next_cell = [&](size_t from) {
        while (from < cells.size() && cells[from].rows.empty()) {
            ++from;
        }
        return from;
    };
    size_t next = next_cell(0);
    if (next == cells.size()) {
        return {};
    }
    std::optional<clickhouse::NativeBlock> block;
    std::vector<std::string_view> pieces;
    size_t sent = 0;
    const auto next_body = [&]() -> Result<std::string_view> {
        if (sent == pieces.size()) {
            if (next == cells.size()) {
                return std::string_view();
            }
            const PartitionCell& cell = cells[next];
            next = next_cell(next + 1);
            block.emplace(cell.upload_id, cell.partition);
            block->append(cell.rows);
            pieces = block->encode();
            sent = 0;
        }
        return pieces[sent++];
    };
    return owner_.insert(clickhouse::insert_game_rounds_sql(), next_body, {},
                         clickhouse::insert_settings());
}

}  // namespace rh::sink
