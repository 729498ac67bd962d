// A file, or standard input, as the body of a request: read in pieces, never whole in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "io/file.h"
#include "io/http_client.h"

namespace rh::cli {

class FileBody {
  public:
    // "-" is standard input. `on_bytes` is told how many bytes were read so far.
    static Result<FileBody> open(const std::string& path, std::function<void(uint64_t)> on_bytes);
    // Sets body, its length if known, and Content-Encoding by the name (.gz, .zst). The body must
    // outlive the request's sending.
    void attach(io::HttpRequest& request);
    std::optional<uint64_t> bytes() const { return bytes_; }

  private:
    FileBody(io::File file, std::string path, std::function<void(uint64_t)> on_bytes);
    io::File file_;
    std::string path_;
    std::function<void(uint64_t)> on_bytes_;
    std::optional<uint64_t> bytes_;
    uint64_t read_ = 0;
    std::string buffer_;
};

// A file to read; "-" is standard input. Errors: not_found file_not_found, not_a_file (a
// directory).
Result<io::File> open_input(const std::string& path);
std::string shown_path(const std::string& path);    // harmless; "standard input" for "-"
std::string file_name_of(const std::string& path);  // without directories; "stdin" for "-"
// "gzip", "zstd" or empty, by the end of the name.
std::string content_encoding_of(const std::string& path);

}  // namespace rh::cli
