#include "cli/send_file.h"

#include <filesystem>

#include "base/harmless.h"

namespace rh::cli {
namespace {
constexpr size_t kPieceBytes = 256 * 1024;
}

FileBody::FileBody(io::File file, std::string path, std::function<void(uint64_t)> on_bytes)
    : file_(std::move(file)), path_(std::move(path)), on_bytes_(std::move(on_bytes)) {
    buffer_.resize(kPieceBytes);
}

Result<FileBody> FileBody::open(const std::string& path, std::function<void(uint64_t)> on_bytes) {
    RH_ASSIGN(io::File file, open_input(path));
    FileBody body(std::move(file), path, std::move(on_bytes));
    std::error_code error;
    // A pipe has no length.
    if (path != "-" && std::filesystem::is_regular_file(path, error)) {
        RH_ASSIGN(body.bytes_, body.file_.size());
    }
    return body;
}

Result<io::File> open_input(const std::string& path) {
    std::error_code error;
    if (path != "-" && std::filesystem::is_directory(path, error)) {
        return fail(ErrorKind::not_found, "not_a_file",
                    path + " is a directory. Name the files in it.");
    }
    return io::File::open_read(path == "-" ? "/dev/stdin" : path);
}

void FileBody::attach(io::HttpRequest& request) {
    request.body_bytes = bytes_;
    request.next_body = [this]() -> Result<std::string_view> {
        RH_ASSIGN(const size_t got, file_.read(buffer_));
        read_ += got;
        on_bytes_(read_);
        return std::string_view(buffer_).substr(0, got);
    };
    const std::string coding = content_encoding_of(path_);
    if (!coding.empty()) {
        request.headers.emplace_back("Content-Encoding", coding);
    }
}

std::string shown_path(const std::string& path) {
    return path == "-" ? "standard input" : harmless(path);
}

std::string file_name_of(const std::string& path) {
    return path == "-" ? "stdin" : std::filesystem::path(path).filename().string();
}

std::string content_encoding_of(const std::string& path) {
    return path.ends_with(".gz") ? "gzip" : path.ends_with(".zst") ? "zstd" : "";
}

}  // namespace rh::cli
