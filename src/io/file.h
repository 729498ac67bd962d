// The only place that opens, writes, syncs, renames and removes files. Everything here is blocking
// and may be called from any thread; one File is used by one thread at a time. Errors carry the
// path and the cause; a full disk is ErrorKind::storage_full. After a failed sync a file must not
// be trusted: the caller discards it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rh::io {

class File {
  public:
    static Result<File> open_read(const std::string& path);
    static Result<File> create(const std::string& path);       // truncates
    static Result<File> open_append(const std::string& path);  // creates if missing
    File(File&& other) noexcept;
    File& operator=(File&& other) noexcept;
    ~File();  // closes without a sync

    Result<void> write_all(std::string_view bytes);
    Result<size_t> read(std::span<char> buffer);                    // 0 at the end
    Result<size_t> pread(std::span<char> buffer, uint64_t offset);  // 0 at the end
    Result<void> seek(uint64_t offset);
    Result<uint64_t> size() const;
    Result<void> sync();
    // Closes and reports what close() says; the destructor cannot.
    Result<void> close();
    const std::string& path() const { return path_; }

  private:
    File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    int fd_ = -1;
    std::string path_;
};

// Held for as long as the object lives; one process at a time (flock).
class LockFile {
  public:
    // ErrorKind::conflict, code data_directory_in_use, if another process holds it for two seconds.
    static Result<LockFile> acquire(const std::string& path);
    LockFile(LockFile&& other) noexcept;
    LockFile& operator=(LockFile&&) = delete;
    ~LockFile();

  private:
    explicit LockFile(int fd) : fd_(fd) {}
    int fd_ = -1;
};

std::string directory_of_program();                      // of the binary that runs
Result<void> make_directories(const std::string& path);  // like mkdir -p, mode 0750, parents synced
Result<void> sync_directory(const std::string& path);
Result<void> sync_filesystem_of(const std::string& path);  // syncfs
// rename, then sync both directories: after it returns, the new name survives a power cut.
Result<void> rename_durably(const std::string& from, const std::string& to);
// Writes a new file beside `path`, syncs it and renames it over `path`.
Result<void> write_file_durably(const std::string& path, std::string_view bytes);
Result<std::string> read_file(const std::string& path);
Result<void> remove_tree(const std::string& path);  // no error if it is not there
Result<void> remove_file(const std::string& path);  // no error if it is not there
bool exists(const std::string& path);
// Names in a directory, sorted, without . and ..
Result<std::vector<std::string>> list_directory(const std::string& path);
Result<uint64_t> free_bytes(const std::string& path);
// Error storage_full (retry) if less than `least` is left there; `then` is what to do when there is
// space again: "send the file again".
Result<void> check_free_bytes(const std::string& path, uint64_t least, std::string_view then);

}  // namespace rh::io
