// Which game_instance_ids occur more than once in a file: counted exactly, in memory that does not
// grow with the file. Ids mostly count up, so they are kept as bitmaps, one for each 65,536
// consecutive ids: 100 M ids in a row take 12 MiB. Ids that are scattered so far that bitmaps would
// pass kMemoryBytesMax go to a temporary file as sorted runs, which are merged at the end. One
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace rh::publish {

class DuplicateIds {
  public:
    static constexpr size_t kMemoryBytesMax = 64 << 20;  // of bitmaps
    static constexpr size_t kRunIds = 1 << 21;           // 16 MiB of ids to a sorted run

    // `spill_path`: where the temporary file may be made; it has no name once it is open.
    explicit DuplicateIds(std::string spill_path, size_t memory_bytes_max = kMemoryBytesMax,
                          size_t run_ids = kRunIds);
    ~DuplicateIds();
    DuplicateIds(const DuplicateIds&) = delete;
    DuplicateIds& operator=(const DuplicateIds&) = delete;

    Result<void> add(std::span<const int64_t> ids);  // none negative

    struct Count {
        uint64_t ids = 0;                 // that occur more than once
        uint64_t repeats = 0;             // rows beyond the first of each id
        std::optional<int64_t> smallest;  // of those ids
        bool operator==(const Count&) const = default;
    };
    Result<Count> finish();  // the last call

  private:
    struct Container;
    struct Bitmap;
    Result<void> add_one(int64_t id);
    Container* container_of(int64_t key);
    void note(int64_t id, Bitmap& bitmap);
    void note_repeat(int64_t id, bool first_repeat);
    void grow(Container& container, int64_t key);
    void count_sorted(std::span<const int64_t> ids);
    Result<void> start_spilling();
    Result<void> spill(int64_t id);
    Result<void> write_run();
    Result<void> merge_runs();

    const std::string spill_path_;
    const size_t memory_bytes_max_;
    const size_t run_ids_;
    std::unordered_map<int64_t, std::unique_ptr<Container>> containers_;  // by id >> 16
    int64_t last_key_ = -1;
    Container* last_ = nullptr;
    size_t memory_bytes_ = 0;
    bool spilling_ = false;
    std::optional<io::File> file_;
    std::vector<int64_t> pending_;    // of the run being collected
    std::vector<uint64_t> run_ends_;  // in ids from the file's beginning
    Count count_;
};

}  // namespace rh::publish
