#include "sink/group_sink.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "avro/game_round_codec.h"
#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/sleep.h"
#include "base/without_exceptions.h"
#include "kafka/registry.h"

namespace rh::sink {
namespace {

constexpr size_t kPollMax = 16'384;
constexpr int kPollMs = 50;
// While an INSERT is under way, or rows have just come: what the control topic says of them, and
// the INSERT's end, are seen between two polls.
constexpr int kPollSoonMs = 5;
constexpr int64_t kJustCameMs = 1'000;
// To an INSERT; as many again wait while a shard takes them.
constexpr size_t kRowsPerInsert = 4 * model::kCellRows;
// Fewer go after this time, since each INSERT makes parts that ClickHouse has to merge: soon, where
// an upload is whole with them; late, where more of it is to come and nobody sees them before.
constexpr int64_t kLastRowsWaitMs = 1'000;
constexpr int64_t kOtherRowsWaitMs = 5'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// So long a shard is waited for before reading is paused, which drops what was fetched ahead.
constexpr auto kShardPatience = std::chrono::milliseconds(2'000);
constexpr int64_t kCommitMs = 500;
constexpr int64_t kTendMs = 1'000;
constexpr int64_t kTendSoonMs = 50;  // when the control topic has something new
constexpr auto kSessionRetry = std::chrono::milliseconds(1'000);
constexpr size_t kDeadLettersMax = 1'000;  // kept in one go
constexpr int64_t kCountLettersMs = 10'000;

}  // namespace

GroupSink::GroupSink(GroupSinkContext context)
    : context_(std::move(context)),
      topic_(context_.log.options().topic),
      dead_letters_(context_.store, context_.log.options().cluster, topic_),
      complete_(context_.store.shards()),
      complete_rows_(context_.store.shards()),
      due_at_(context_.store.shards(), kNever),
      unread_(context_.log.options().cluster, context_.group, topic_, errors_),
      losses_(context_.control, topic_),
      group_offsets_(context_.log.options().cluster, context_.group, topic_) {
    for (size_t shard = 0; shard < context_.store.shards(); ++shard) {
        writers_.push_back(std::make_unique<ShardWriter>(
            context_.store.owner(shard),
            [this](const model::UploadId& id) {
                const auto published = context_.control.published(id);
                return published && published->state != kafka_log::Published::State::abandoned;
            },
            [this](const Error& error) { errors_.note_insert(error); }));
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

GroupSink::~GroupSink() {
    thread_.request_stop();
    thread_.join();
}

void GroupSink::begin() {
    const std::scoped_lock lock(mutex_);
    begun_ = true;
    wake_.notify_all();
}

GroupSink::Health GroupSink::health() const {
    Health health;
    {
        const std::scoped_lock lock(mutex_);
        health = health_;
    }
    health.last_error = errors_.last();
    if (!health.last_error) {
        health.last_error = context_.control.trouble();
    }
    losses_.add_to(health);
    return health;
}

void GroupSink::run(const std::stop_token& stop) {
    {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, stop, [this] { return begun_; });
    }
    const std::jthread tending([this](const std::stop_token& ended) { keep_tending(ended); });
    while (!stop.stop_requested()) {
        const auto ended = without_exceptions([&] { return session(stop); });
        revoked({});  // of all
        consumer_.reset();
        if (ended || stop.stop_requested()) {
            continue;
        }
        errors_.note_session(ended.error());
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, stop, kSessionRetry, [] { return false; });
    }
}

// What processes tell each other waits for no rows, and rows wait for no shard that must be told of
// something else.
void GroupSink::keep_tending(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        tend_soon_ = false;
        const uint64_t seen = context_.control.changes();
        const auto tended = without_exceptions([&] { return context_.tend(); });
        errors_.note_tending(tended ? std::nullopt : std::optional(tended.error()));
        // A shard that does not answer is said elsewhere.
        std::ignore = without_exceptions([&] { return count_dead_letters(); });
        losses_.look_after();
        const int64_t due_at = monotonic_ms() + kTendMs;
        do {
            sleep_unless_stopped(stop, kTendSoonMs);
        } while (!stop.stop_requested() && !tend_soon_ && context_.control.changes() == seen &&
                 monotonic_ms() < due_at);
    }
}

// Until something goes wrong that only a new member of the group helps against.
Result<void> GroupSink::session(const std::stop_token& stop) {
    RH_TRY(context_.log.connect());
    if (admin_ == nullptr) {
        RH_ASSIGN(admin_, kafka::Admin::create(context_.log.options().cluster));
    }
    RH_ASSIGN(consumer_, kafka::Consumer::create(
                             context_.log.options().cluster,
                             kafka::Consumer::Member{.group = context_.group,
                                                     .name = context_.log.options().node}));
    RH_TRY(consumer_->subscribe(
        topic_, {.assigned = [this](const auto& partitions) { return assigned(partitions); },
                 .revoked = [this](const auto& partitions) { revoked(partitions); }}));
    paused_ = false;
    int64_t came_at = -kJustCameMs;
    const int64_t began_at = monotonic_ms();
    std::vector<kafka::Position> ends;
    while (!stop.stop_requested()) {
        const bool inserts =
            std::ranges::any_of(writers_, [](const auto& writer) { return writer->is_busy(); });
        const bool soon = inserts || monotonic_ms() - came_at < kJustCameMs;
        errors_.look(monotonic_ms() - began_at, inserts);
        RH_ASSIGN(const auto messages,
                  consumer_->poll(kPollMax, soon ? kPollSoonMs : kPollMs, &ends));
        came_at = messages.empty() ? came_at : monotonic_ms();
        caught_up_ = false;
        for (const kafka::Message& message : messages) {
            RH_TRY(take(message));
        }
        RH_TRY(keep_dead_letters());
        for (const kafka::Position& end : ends) {
            if (const auto found = partitions_.find(static_cast<uint32_t>(end.partition));
                found != partitions_.end()) {
                found->second.position = std::max(found->second.position, end.offset);
            }
        }
        close_finished();
        write();
        take_done();
        RH_TRY(hold_back());
        RH_TRY(commit(messages.empty()));
        if (unread_.are_due()) {
            RH_TRY(consumer_->rejoin());
        }
    }
    return {};
}

// Where to go on: at the offset that the group has committed; from the first record on if it has
// committed none, or if what it has not read is gone.
Result<std::vector<kafka::Position>> GroupSink::assigned(const std::vector<int32_t>& partitions) {
    RH_ASSIGN(const int32_t count, admin_->partition_count(topic_));
    RH_ASSIGN(const auto committed, admin_->committed(context_.group, topic_, count));
    std::vector<kafka::Position> positions;
    RetentionLosses::Dropped dropped;
    ++assignments_;
    for (const int32_t partition : partitions) {
        RH_ASSIGN(const auto ends, admin_->watermarks(topic_, partition));
        const auto index = static_cast<size_t>(partition);
        const auto known = index < committed.size() ? committed[index] : std::nullopt;
        const int64_t begin = std::max(known.value_or(ends.low), ends.low);
        if (known.value_or(0) < ends.low) {
            dropped[index] = {known.value_or(0), ends.low};
        }
        Partition& state = partitions_[static_cast<uint32_t>(partition)];
        state = {.assignment = assignments_, .position = begin, .committed = begin, .open = {}};
        positions.push_back({.partition = partition, .offset = begin});
        const std::scoped_lock lock(mutex_);
        durable_[static_cast<uint32_t>(partition)] = begin;
    }
    paused_ = false;
    losses_.tell(dropped);
    log_event(LogLevel::info, "partitions are read",
              {{"topic", topic_}, {"partitions", std::to_string(partitions_.size())}});
    const std::scoped_lock lock(mutex_);
    health_.partitions = partitions_.size();
    return positions;
}

// Their rows that are not in ClickHouse are dropped: whoever reads the partitions next begins at
// the committed offsets. None: all.
void GroupSink::revoked(const std::vector<int32_t>& partitions) {
    const auto gone = [&](uint32_t partition) {
        return partitions.empty() ||
               std::ranges::find(partitions, static_cast<int32_t>(partition)) != partitions.end();
    };
    std::erase_if(partitions_, [&](const auto& entry) { return gone(entry.first); });
    std::erase_if(open_, [&](const auto& entry) { return gone(entry.first.first); });
    for (size_t shard = 0; shard < complete_.size(); ++shard) {
        std::erase_if(complete_[shard], [&](const auto& cell) { return gone(cell.partition); });
        complete_rows_[shard] = 0;
        for (const PartitionCell& cell : complete_[shard]) {
            complete_rows_[shard] += cell.rows.size();
        }
        if (complete_[shard].empty()) {
            due_at_[shard] = kNever;
        }
    }
    std::erase_if(letters_, [&](const auto& letter) { return gone(letter.partition); });
    const std::scoped_lock lock(mutex_);
    std::erase_if(durable_, [&](const auto& entry) { return gone(entry.first); });
    health_.partitions = partitions_.size();
}

void GroupSink::reject(const kafka::Message& message, std::string_view reason, std::string detail) {
    letters_.push_back({.partition = static_cast<uint32_t>(message.partition),
                        .offset = message.offset,
                        .reason = reason,
                        .detail = std::move(detail),
                        .key = std::string(message.key),
                        .value = std::string(message.value)});
}

Result<void> GroupSink::take(const kafka::Message& message) {
    const auto partition = static_cast<uint32_t>(message.partition);
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || message.offset < found->second.position) {
        return {};  // of a partition that was taken away, or seen
    }
    Partition& state = found->second;
    state.position = message.offset + 1;
    if (letters_.size() >= kDeadLettersMax) {
        RH_TRY(keep_dead_letters());
    }
    const auto value = kafka::parse_wire_value(message.value);
    if (!value) {
        reject(message, "not_avro", "The value does not begin with a zero byte and a schema's id.");
        return {};
    }
    if (!is_known_schema(value->schema_id)) {
        reject(message, "unknown_schema",
               fmt::format("The value names schema {}; rows have schema {}.", value->schema_id,
                           context_.log.schema_id()));
        return {};
    }
    const auto round = avro::read_record(value->record);
    const model::UploadId* const id = round ? upload_id_of(round->upload_id) : nullptr;
    if (id == nullptr) {
        reject(message, "not_a_game_round", "The value is no whole record of the schema.");
        return {};
    }
    RH_ASSIGN(const Announced* const upload, announced_at(*id, partition, message.offset));
    if (upload == nullptr) {
        reject(message, "unknown_upload",
               fmt::format("No process has published an upload {}.", model::to_string(*id)));
        return {};
    }
    if (upload->has(partition, message.offset)) {
        add_to_cell({partition, *id}, message, *round, state);
    } else if (upload->had_ended_before(partition, message.offset)) {
        reject(message, "not_of_upload",
               fmt::format("All rows of upload {} were in the topic before it.", round->upload_id));
    }
    return {};
}

void GroupSink::add_to_cell(const CellKey& key, const kafka::Message& message,
                            const avro::GameRound& round, Partition& state) {
    auto open = open_.find(key);
    if (open != open_.end() &&
        model::cell_of(open->second.rows.row_number.front()) != model::cell_of(round.row_number)) {
        close_cell(open, kOtherRowsWaitMs);
        open = open_.end();
    }
    if (open == open_.end()) {
        open = open_
                   .emplace(key, PartitionCell{.upload_id = key.second,
                                               .partition = key.first,
                                               .assignment = state.assignment,
                                               .first_offset = message.offset,
                                               .rows = {}})
                   .first;
        state.open.insert(message.offset);
    }
    model::RowBatch& rows = open->second.rows;
    if (!rows.empty() && round.row_number <= rows.row_number.back()) {
        if (!std::ranges::binary_search(rows.row_number, round.row_number)) {
            reject(message, "out_of_order",
                   fmt::format("Row {} of upload {} comes after row {}.", round.row_number,
                               round.upload_id, rows.row_number.back()));
        }
        return;  // sent twice
    }
    if (!avro::append_row(round, rows)) {
        reject(message, "not_a_game_round", "Its cell has more text than a cell can hold.");
        if (rows.empty()) {
            drop_cell(open);
        }
    }
}

// Null if it is not written as roundhouse writes it. Most rows are of the same upload as the last.
const model::UploadId* GroupSink::upload_id_of(std::string_view text) {
    if (text != last_upload_text_) {
        const auto id = model::parse_upload_id(text);
        if (!id || model::to_string(*id) != text) {
            return nullptr;
        }
        last_upload_text_ = text;
        last_upload_id_ = *id;
    }
    return &last_upload_id_;
}

bool GroupSink::is_known_schema(int32_t id) {
    if (id == context_.log.schema_id()) {
        return true;
    }
    const auto found = schemas_.find(id);
    if (found != schemas_.end()) {
        return found->second;
    }
    // The same text may have been registered twice, under another id.
    const auto& options = context_.log.options();
    const auto registry = kafka::Registry::open(options.registry_url, options.tls_ca_file);
    const auto text = registry ? registry->schema(id) : std::unexpected(registry.error());
    if (!text) {
        return false;  // not remembered: the registry may answer later
    }
    return schemas_[id] = *text && **text == avro::game_round_schema();
}

bool GroupSink::Announced::has(uint32_t partition, int64_t offset) const {
    if (!counts() || partition >= published.partitions.size()) {
        return false;
    }
    const auto& rows = published.partitions[partition];
    if (rows.first_offset < 0) {
        return !is_complete();
    }
    return offset >= rows.first_offset && (!is_complete() || offset <= rows.last_offset);
}

bool GroupSink::Announced::had_ended_before(uint32_t partition, int64_t offset) const {
    if (!counts() || !is_complete()) {
        return false;
    }
    return partition >= published.partitions.size() ||
           (published.partitions[partition].first_offset >= 0 &&
            offset > published.partitions[partition].last_offset);
}

bool GroupSink::Announced::ends_before(uint32_t partition, int64_t position) const {
    return is_complete() && partition < published.partitions.size() &&
           position > published.partitions[partition].last_offset;
}

// A transaction's rows and its record become visible one after the other, so what makes a row no
// row of the upload is looked at twice.
Result<const GroupSink::Announced*> GroupSink::announced_at(const model::UploadId& id,
                                                            uint32_t partition, int64_t offset) {
    const Announced* upload = announced(id);
    if ((upload == nullptr || !upload->has(partition, offset)) && !caught_up_) {
        RH_TRY(context_.control.catch_up());
        caught_up_ = true;
        announced_.clear();
        upload = announced(id);
    }
    return upload;
}

// Null for an upload of which the control topic has not spoken.
const GroupSink::Announced* GroupSink::announced(const model::UploadId& id) {
    if (const auto found = announced_.find(id); found != announced_.end()) {
        return &found->second;
    }
    auto published = context_.control.published(id);
    if (!published) {
        return nullptr;
    }
    return &announced_.emplace(id, Announced{*std::move(published)}).first->second;
}

void GroupSink::close_cell(Cells::iterator cell, int64_t wait_ms) {
    const size_t shard = cell->first.first % complete_.size();
    due_at_[shard] = std::min(due_at_[shard], monotonic_ms() + wait_ms);
    complete_rows_[shard] += cell->second.rows.size();
    complete_[shard].push_back(std::move(cell->second));
    open_.erase(cell);
}

void GroupSink::drop_cell(Cells::iterator cell) {
    auto& open = partitions_[cell->first.first].open;
    open.erase(open.find(cell->second.first_offset));
    open_.erase(cell);
}

// Cells that will get no more rows: their upload's manifest is there and its last row was reached,
// or there will be no manifest, or nobody knows when.
void GroupSink::close_finished() {
    if (const uint64_t changes = context_.control.changes(); changes != control_seen_) {
        control_seen_ = changes;
        announced_.clear();
    }
    if (open_.empty()) {
        unfinished_.clear();
    }
    const int64_t now = monotonic_ms();
    for (auto cell = open_.begin(); cell != open_.end();) {
        const auto here = cell++;
        const auto& [partition, upload_id] = here->first;
        const Announced* upload = announced(upload_id);
        if (upload == nullptr || !upload->counts() ||
            (!upload->is_complete() && unfinished_.is_left(upload->published, now))) {
            drop_cell(here);
        } else if (upload->ends_before(partition, partitions_[partition].position)) {
            close_cell(here, kLastRowsWaitMs);
        }
    }
}

// Gives complete cells to the shards' writers: enough of them, those that have waited, or, if no
// cell is open, and so nothing more known to come, all there are.
void GroupSink::write() {
    for (size_t shard = 0; shard < complete_.size(); ++shard) {
        if (!complete_[shard].empty() &&
            (open_.empty() || is_full(shard) || monotonic_ms() >= due_at_[shard]) &&
            writers_[shard]->can_take()) {
            give(shard);
        }
    }
}

void GroupSink::give(size_t shard) {
    writers_[shard]->give(std::exchange(complete_[shard], {}));
    complete_rows_[shard] = 0;
    due_at_[shard] = kNever;
}

bool GroupSink::is_full(size_t shard) const { return complete_rows_[shard] >= kRowsPerInsert; }

void GroupSink::take_done() {
    uint64_t rows = 0;
    bool any = false;
    for (const auto& writer : writers_) {
        for (const PartitionCell& cell : writer->take_done()) {
            any = true;
            const auto found = partitions_.find(cell.partition);
            if (found != partitions_.end() && found->second.assignment == cell.assignment) {
                found->second.open.erase(found->second.open.find(cell.first_offset));
            }
            rows += cell.count;
            undurable_ = true;
        }
    }
    if (any) {
        errors_.rows_came();
        const std::scoped_lock lock(mutex_);
        health_.rows_inserted += rows;
    }
}

// A shard that does not take rows as fast as they come stops the reading of all partitions. While
// it is waited for, nothing is polled; while reading is paused, the group's questions are answered.
Result<void> GroupSink::hold_back() {
    const auto until = std::chrono::steady_clock::now() + kShardPatience;
    bool full = false;
    for (size_t shard = 0; shard < complete_.size(); ++shard) {
        if (is_full(shard) && !paused_ && writers_[shard]->can_take_before(until)) {
            give(shard);
        }
        full = full || is_full(shard);
    }
    if (full == paused_) {
        return {};
    }
    std::vector<int32_t> partitions;
    partitions.reserve(partitions_.size());
    for (const auto& [partition, state] : partitions_) {
        partitions.push_back(static_cast<int32_t>(partition));
    }
    RH_TRY(full ? consumer_->pause(topic_, partitions) : consumer_->resume(topic_, partitions));
    paused_ = full;
    return {};
}

// Never past the first row of a cell that is not durable in ClickHouse.
Result<void> GroupSink::commit(bool now) {
    if (!now && monotonic_ms() - committed_at_ < kCommitMs) {
        return {};
    }
    std::vector<kafka::Position> positions;
    for (const auto& [partition, state] : partitions_) {
        const int64_t offset =
            state.open.empty() ? state.position : std::min(*state.open.begin(), state.position);
        if (offset > state.committed) {
            positions.push_back({.partition = static_cast<int32_t>(partition), .offset = offset});
        }
    }
    if (positions.empty()) {
        return {};
    }
    if (undurable_) {
        RH_TRY(context_.store.make_durable());
        undurable_ = false;
    }
    RH_TRY(consumer_->commit(topic_, positions));
    kill_point("sink_after_checkpoint");
    committed_at_ = monotonic_ms();
    const std::scoped_lock lock(mutex_);
    for (const kafka::Position& position : positions) {
        const auto partition = static_cast<uint32_t>(position.partition);
        partitions_[partition].committed = position.offset;
        durable_[partition] = position.offset;
    }
    return {};
}

Result<void> GroupSink::keep_dead_letters() {
    if (letters_.empty()) {
        return {};
    }
    RH_TRY(dead_letters_.keep(letters_));
    for (const DeadLetter& letter : letters_) {
        log_event(LogLevel::error, "a message of the topic is no row, and was put aside",
                  {{"topic", topic_},
                   {"partition", std::to_string(letter.partition)},
                   {"offset", std::to_string(letter.offset)},
                   {"reason", std::string(letter.reason)},
                   {"detail", letter.detail}});
    }
    letters_.clear();
    counts_letters_ = true;
    tend_soon_ = true;
    return {};
}

// Those of all processes, now and then, and after more were kept here.
Result<void> GroupSink::count_dead_letters() {
    const int64_t now = monotonic_ms();
    if (!counts_letters_.exchange(false) && now < count_letters_at_) {
        return {};
    }
    count_letters_at_ = now + kCountLettersMs;
    RH_ASSIGN(const uint64_t count, dead_letters_.count());
    const std::scoped_lock lock(mutex_);
    health_.dead_letters = count;
    return {};
}

Result<bool> GroupSink::has_taken(const kafka_log::Published& manifest) {
    std::map<uint32_t, int64_t> here;
    {
        const std::scoped_lock lock(mutex_);
        here = durable_;
    }
    bool elsewhere = false;
    for (size_t p = 0; p < manifest.partitions.size(); ++p) {
        const int64_t last = manifest.partitions[p].last_offset;
        const auto found = here.find(static_cast<uint32_t>(p));
        if (found != here.end() && found->second <= last) {
            return false;
        }
        elsewhere = elsewhere || (found == here.end() && last >= 0);
    }
    return elsewhere ? group_offsets_.are_past(manifest) : true;
}

}  // namespace rh::sink
