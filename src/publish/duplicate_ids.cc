#include "publish/duplicate_ids.h"

#include <algorithm>
#include <array>
#include <queue>

#include "base/assert.h"

namespace rh::publish {
namespace {

constexpr int kLowBits = 16;
constexpr size_t kWords = (1U << kLowBits) / 64;
// A container's first ids are kept as they come; from this many on it is a bitmap (8 KiB).
constexpr size_t kPlainIdsMax = 1024;
// What a container costs beside its ids, by the allocator's measure.
constexpr size_t kContainerBytes = 192;
constexpr size_t kMergeBufferIds = 2048;

using Words = std::array<uint64_t, kWords>;

int64_t join(int64_t key, uint16_t low) {
    return static_cast<int64_t>(static_cast<uint64_t>(key) << kLowBits | low);
}

}  // namespace

struct DuplicateIds::Bitmap {
    Words seen{};
    std::unique_ptr<Words> twice;
};

// Either plain ids with repeats among them (not yet counted), or a bitmap.
struct DuplicateIds::Container {
    std::vector<uint16_t> plain;
    std::unique_ptr<Bitmap> bitmap;
};

DuplicateIds::DuplicateIds(std::string spill_path, size_t memory_bytes_max, size_t run_ids)
    : spill_path_(std::move(spill_path)), memory_bytes_max_(memory_bytes_max), run_ids_(run_ids) {}

DuplicateIds::~DuplicateIds() = default;

void DuplicateIds::note_repeat(int64_t id, bool first_repeat) {
    ++count_.repeats;
    count_.ids += first_repeat ? 1 : 0;
    count_.smallest = std::min(count_.smallest.value_or(id), id);
}

void DuplicateIds::note(int64_t id, Bitmap& bitmap) {
    const size_t low = static_cast<uint64_t>(id) & ((1U << kLowBits) - 1);
    const uint64_t bit = 1ULL << (low % 64);
    uint64_t& seen = bitmap.seen[low / 64];
    if ((seen & bit) == 0) [[likely]] {
        seen |= bit;
        return;
    }
    if (bitmap.twice == nullptr) {
        bitmap.twice = std::make_unique<Words>();
        memory_bytes_ += sizeof(Words);
    }
    uint64_t& twice = (*bitmap.twice)[low / 64];
    note_repeat(id, (twice & bit) == 0);
    twice |= bit;
}

void DuplicateIds::grow(Container& container, int64_t key) {
    container.bitmap = std::make_unique<Bitmap>();
    memory_bytes_ += sizeof(Bitmap) - container.plain.capacity() * sizeof(uint16_t);
    for (const uint16_t low : container.plain) {
        note(join(key, low), *container.bitmap);
    }
    container.plain = {};
}

DuplicateIds::Container* DuplicateIds::container_of(int64_t key) {
    if (key == last_key_) [[likely]] {
        return last_;
    }
    Container* found = nullptr;
    if (spilling_) {
        const auto at = containers_.find(key);
        found = at == containers_.end() ? nullptr : at->second.get();
    } else {
        auto& slot = containers_[key];
        if (slot == nullptr) {
            slot = std::make_unique<Container>();
            memory_bytes_ += kContainerBytes;
        }
        found = slot.get();
    }
    last_key_ = key;
    last_ = found;
    return found;
}

Result<void> DuplicateIds::add_one(int64_t id) {
    const int64_t key = id >> kLowBits;
    Container* const container = container_of(key);
    if (container == nullptr) {
        return spill(id);
    }
    if (container->bitmap != nullptr) [[likely]] {
        note(id, *container->bitmap);
        return {};
    }
    const size_t before = container->plain.capacity();
    container->plain.push_back(static_cast<uint16_t>(id & 0xffff));
    memory_bytes_ += (container->plain.capacity() - before) * sizeof(uint16_t);
    if (container->plain.size() > kPlainIdsMax) {
        grow(*container, key);
    }
    return memory_bytes_ > memory_bytes_max_ ? start_spilling() : Result<void>();
}

Result<void> DuplicateIds::add(std::span<const int64_t> ids) {
    for (const int64_t id : ids) {
        RH_TRY(add_one(id));
    }
    return {};
}

// From here on the bitmaps take the ids of their ranges, and all others go to the file: so every id
// has one place where all of its rows meet.
Result<void> DuplicateIds::start_spilling() {
    RH_ASSIGN(file_, io::File::create(spill_path_));
    RH_TRY(io::remove_file(spill_path_));
    pending_.reserve(run_ids_);
    spilling_ = true;
    last_key_ = -1;
    last_ = nullptr;
    for (auto at = containers_.begin(); at != containers_.end();) {
        if (at->second->bitmap != nullptr) {
            ++at;
            continue;
        }
        for (const uint16_t low : at->second->plain) {
            RH_TRY(spill(join(at->first, low)));
        }
        at = containers_.erase(at);
    }
    return {};
}

Result<void> DuplicateIds::spill(int64_t id) {
    pending_.push_back(id);
    return pending_.size() < run_ids_ ? Result<void>() : write_run();
}

Result<void> DuplicateIds::write_run() {
    if (pending_.empty()) {
        return {};
    }
    std::ranges::sort(pending_);
    RH_TRY(file_->write_all(
        {reinterpret_cast<const char*>(pending_.data()), pending_.size() * sizeof(int64_t)}));
    run_ends_.push_back((run_ends_.empty() ? 0 : run_ends_.back()) + pending_.size());
    pending_.clear();
    return {};
}

void DuplicateIds::count_sorted(std::span<const int64_t> ids) {
    for (size_t i = 1; i < ids.size(); ++i) {
        if (ids[i] == ids[i - 1]) {
            note_repeat(ids[i], i < 2 || ids[i - 2] != ids[i]);
        }
    }
}

namespace {

// The ids of one sorted run, read in pieces.
struct Run {
    uint64_t next;  // in ids from the file's beginning
    uint64_t end;
    std::vector<int64_t> buffer = {};
    size_t at = 0;

    Result<bool> refill(io::File& file) {
        buffer.resize(std::min<uint64_t>(kMergeBufferIds, end - next));
        at = 0;
        auto bytes =
            std::span(reinterpret_cast<char*>(buffer.data()), buffer.size() * sizeof(int64_t));
        uint64_t offset = next * sizeof(int64_t);
        next += buffer.size();
        while (!bytes.empty()) {
            RH_ASSIGN(const size_t got, file.pread(bytes, offset));
            if (got == 0) {
                return fail(ErrorKind::internal, "file_error",
                            "A temporary file lost its end while it was read.");
            }
            bytes = bytes.subspan(got);
            offset += got;
        }
        return !buffer.empty();
    }
};

}  // namespace

Result<void> DuplicateIds::merge_runs() {
    std::vector<Run> runs;
    using Head = std::pair<int64_t, size_t>;  // smallest id left of a run, and the run
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    uint64_t begin = 0;
    for (const uint64_t end : run_ends_) {
        runs.push_back({.next = begin, .end = end});
        RH_ASSIGN(const bool any, runs.back().refill(*file_));
        RH_ASSERT(any);
        heads.emplace(runs.back().buffer[0], runs.size() - 1);
        begin = end;
    }
    std::optional<int64_t> last;
    bool repeated = false;
    while (!heads.empty()) {
        const auto [id, index] = heads.top();
        heads.pop();
        if (last == id) {
            note_repeat(id, !repeated);
            repeated = true;
        } else {
            repeated = false;
        }
        last = id;
        Run& run = runs[index];
        bool more = ++run.at < run.buffer.size();
        if (!more) {
            RH_ASSIGN(more, run.refill(*file_));
        }
        if (more) {
            heads.emplace(run.buffer[run.at], index);
        }
    }
    return {};
}

Result<DuplicateIds::Count> DuplicateIds::finish() {
    std::vector<int64_t> ids;
    for (const auto& [key, container] : containers_) {
        ids.clear();
        for (const uint16_t low : container->plain) {
            ids.push_back(join(key, low));
        }
        std::ranges::sort(ids);
        count_sorted(ids);
    }
    containers_.clear();
    if (spilling_) {
        RH_TRY(write_run());
        RH_TRY(merge_runs());
    }
    return count_;
}

}  // namespace rh::publish
