#include "io/file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace rh::io {
namespace {

// A server that was killed while it started a child leaves the lock to that child for a moment:
// between fork and exec it has the parent's descriptors, and it notices the death only then.
constexpr std::chrono::seconds kWaitForLock{2};

std::unexpected<Error> file_error(std::string_view action, const std::string& path, int error) {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    if (full) {
        return fail(ErrorKind::storage_full, "storage_full",
                    fmt::format("No space left to {} {}: {}. Free some space and try again.",
                                action, path, std::strerror(error)),
                    Verdict::retry);
    }
    return fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::internal,
                error == ENOENT ? "file_not_found" : "file_error",
                fmt::format("Cannot {} {}: {}.", action, path, std::strerror(error)));
}

std::string parent_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

Result<int> open_fd(const std::string& path, int flags, std::string_view action) {
    int fd = -1;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return file_error(action, path, errno);
    }
    return fd;
}

}  // namespace

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    return *this;
}

File::~File() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<File> File::open_read(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDONLY, "open"));
    return File(fd, path);
}

Result<File> File::create(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDWR | O_CREAT | O_TRUNC, "create"));
    return File(fd, path);
}

Result<File> File::open_append(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDWR | O_CREAT | O_APPEND, "open"));
    return File(fd, path);
}

Result<void> File::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return file_error("write", path_, errno);
        }
        bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

Result<size_t> File::read(std::span<char> buffer) {
    ssize_t got = 0;
    do {
        got = ::read(fd_, buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return file_error("read", path_, errno);
    }
    return static_cast<size_t>(got);
}

Result<size_t> File::pread(std::span<char> buffer, uint64_t offset) {
    ssize_t got = 0;
    do {
        got = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return file_error("read", path_, errno);
    }
    return static_cast<size_t>(got);
}

Result<void> File::seek(uint64_t offset) {
    if (::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0) {
        return file_error("seek in", path_, errno);
    }
    return {};
}

Result<uint64_t> File::size() const {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) {
        return file_error("look at", path_, errno);
    }
    return static_cast<uint64_t>(info.st_size);
}

Result<void> File::sync() {
    if (::fdatasync(fd_) != 0) {
        return file_error("sync", path_, errno);
    }
    return {};
}

Result<void> File::close() {
    if (::close(std::exchange(fd_, -1)) != 0) {
        return file_error("close", path_, errno);
    }
    return {};
}

LockFile::LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LockFile::~LockFile() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<LockFile> LockFile::acquire(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDWR | O_CREAT, "open"));
    LockFile lock(fd);
    const auto deadline = std::chrono::steady_clock::now() + kWaitForLock;
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) {
            continue;
        }
        if (errno != EWOULDBLOCK) {
            return file_error("lock", path, errno);
        }
        if (std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            continue;
        }
        return fail(
            ErrorKind::conflict, "data_directory_in_use",
            fmt::format("Another roundhouse server uses {}. Stop it, or start this one with "
                        "another --data directory.",
                        parent_of(path)));
    }
    return lock;
}

std::string directory_of_program() {
    std::array<char, 4096> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    const std::string_view text(path.data(), length > 0 ? static_cast<size_t>(length) : 0);
    return std::string(text.substr(0, text.rfind('/')));
}

Result<void> make_directories(const std::string& path) {
    std::error_code ignored;
    if (path.empty() || std::filesystem::is_directory(path, ignored)) {
        return {};
    }
    if (exists(path)) {
        return fail(
            ErrorKind::conflict, "not_a_directory",
            fmt::format("{} is a file, where a directory is needed. Name another place.", path));
    }
    const std::string parent = parent_of(path);
    RH_TRY(make_directories(parent));
    if (::mkdir(path.c_str(), 0750) != 0 && errno != EEXIST) {
        return file_error("create the directory", path, errno);
    }
    return sync_directory(parent);
}

Result<void> sync_directory(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDONLY | O_DIRECTORY, "open the directory"));
    const int synced = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    if (synced != 0) {
        return file_error("sync the directory", path, error);
    }
    return {};
}

Result<void> sync_filesystem_of(const std::string& path) {
    RH_ASSIGN(const int fd, open_fd(path, O_RDONLY, "open"));
    const int synced = ::syncfs(fd);
    const int error = errno;
    ::close(fd);
    if (synced != 0) {
        return file_error("sync the file system of", path, error);
    }
    return {};
}

Result<void> rename_durably(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
        return file_error("rename", from, errno);
    }
    RH_TRY(sync_directory(parent_of(to)));
    if (parent_of(from) != parent_of(to)) {
        RH_TRY(sync_directory(parent_of(from)));
    }
    return {};
}

Result<void> write_file_durably(const std::string& path, std::string_view bytes) {
    const std::string staged = path + ".tmp";
    RH_ASSIGN(File file, File::create(staged));
    RH_TRY(file.write_all(bytes));
    RH_TRY(file.sync());
    RH_TRY(file.close());
    return rename_durably(staged, path);
}

Result<std::string> read_file(const std::string& path) {
    RH_ASSIGN(File file, File::open_read(path));
    RH_ASSIGN(const uint64_t bytes, file.size());
    std::string text(bytes, '\0');
    size_t filled = 0;
    while (filled < text.size()) {
        RH_ASSIGN(const size_t got, file.read(std::span(text).subspan(filled)));
        if (got == 0) {
            break;
        }
        filled += got;
    }
    text.resize(filled);
    return text;
}

Result<void> remove_tree(const std::string& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) {
        return file_error("remove", path, error.value());
    }
    return {};
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return file_error("remove", path, errno);
    }
    return {};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<std::vector<std::string>> list_directory(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
        return file_error("list", path, errno);
    }
    std::vector<std::string> names;
    // readdir is safe here: the stream belongs to this call.
    while (const dirent* entry = ::readdir(directory)) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    ::closedir(directory);
    std::ranges::sort(names);
    return names;
}

Result<uint64_t> free_bytes(const std::string& path) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) {
        return file_error("ask for free space of", path, errno);
    }
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

Result<void> check_free_bytes(const std::string& path, uint64_t least, std::string_view then) {
    RH_ASSIGN(const uint64_t free, free_bytes(path));
    if (free < least) {
        return fail(ErrorKind::storage_full, "storage_full",
                    fmt::format("{} bytes are left on the disk, and {} must stay free. Free some "
                                "space and {}.",
                                free, least, then),
                    Verdict::retry);
    }
    return {};
}

}  // namespace rh::io
