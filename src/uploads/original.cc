#include "uploads/original.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zstd.h>

#include "base/lane.h"
#include "io/file.h"

namespace rh::uploads {
namespace {

// Measured on rounds in UTF-16BE: level 1 takes 1.06 GB/s at 13.5 to 1, with frames of 512 KiB as
// with larger ones; levels below 1 gain 4 % of speed at most, level 3 halves it.
constexpr int kLevel = 1;
constexpr size_t kFrameBytes = 512 * 1024;

// The end mark: a skippable frame (magic number, size of what follows, the content's length), all
// of it little-endian as zstd's own numbers.
constexpr std::array<char, 8> kEndMark = {'\x5d', '\x2a', '\x4d', '\x18', 8, 0, 0, 0};
constexpr size_t kEndBytes = kEndMark.size() + sizeof(uint64_t);

struct FreeCompressor {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

std::unexpected<Error> out_of_memory() {
    return fail(ErrorKind::unavailable, "out_of_memory",
                "There is not enough memory to compress or unpack a file. Try again later.",
                Verdict::retry);
}

std::string end_frame(uint64_t content_bytes) {
    std::string frame(kEndMark.data(), kEndMark.size());
    for (unsigned i = 0; i < sizeof content_bytes; ++i) {
        frame += static_cast<char>(content_bytes >> (8 * i));
    }
    return frame;
}

}  // namespace

struct OriginalReader::State {
    explicit State(io::File opened)
        : file(std::move(opened)),
          packed(2 * ZSTD_compressBound(kFrameBytes)),
          unpacked(kFrameBytes) {}

    std::unexpected<Error> damaged(std::string_view how) const {
        return fail(ErrorKind::internal, "original_damaged",
                    fmt::format("The stored file {} is damaged ({}). Restore it from a backup.",
                                file.path(), how));
    }
    std::string_view available() const { return {packed.data() + begin, end - begin}; }
    // The next whole frame; it is taken by advancing `begin`.
    Result<std::string_view> find_frame();

    io::File file;
    std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context{ZSTD_createDCtx()};
    std::vector<char> packed;  // [begin, end): read and not yet unpacked
    size_t begin = 0;
    size_t end = 0;
    std::vector<char> unpacked;
    uint64_t packed_bytes = 0;
    uint64_t content_bytes = 0;
    bool ended = false;  // the end mark was read
};

OriginalReader::OriginalReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
OriginalReader::OriginalReader(OriginalReader&&) noexcept = default;
OriginalReader& OriginalReader::operator=(OriginalReader&&) noexcept = default;
OriginalReader::~OriginalReader() = default;

Result<OriginalReader> OriginalReader::open(const std::string& path) {
    RH_ASSIGN(io::File file, io::File::open_read(path));
    auto state = std::make_unique<State>(std::move(file));
    if (state->context == nullptr) {
        return out_of_memory();
    }
    return OriginalReader(std::move(state));
}

Result<std::string_view> OriginalReader::State::find_frame() {
    while (true) {
        const std::string_view bytes = available();
        const size_t size = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
        if (ZSTD_isError(size) == 0) {
            return bytes.substr(0, size);
        }
        std::memmove(packed.data(), bytes.data(), bytes.size());
        begin = 0;
        end = bytes.size();
        if (end == packed.size()) {
            return damaged(ZSTD_getErrorName(size));
        }
        RH_ASSIGN(const size_t got, file.read(std::span(packed).subspan(end)));
        if (got == 0) {
            return damaged("it is cut");
        }
        end += got;
        packed_bytes += got;
    }
}

Result<std::string_view> OriginalReader::next() {
    State& s = *state_;
    if (s.ended) {
        return std::string_view();
    }
    RH_ASSIGN(const std::string_view frame, s.find_frame());
    s.begin += frame.size();
    if (frame.size() == kEndBytes && frame == end_frame(s.content_bytes)) {
        s.ended = true;
        std::array<char, 1> beyond{};
        RH_ASSIGN(const size_t more, s.file.read(beyond));
        if (more > 0 || !s.available().empty()) {
            return s.damaged("it goes on after its end");
        }
        return std::string_view();
    }
    const size_t size = ZSTD_decompressDCtx(s.context.get(), s.unpacked.data(), s.unpacked.size(),
                                            frame.data(), frame.size());
    if (ZSTD_isError(size) != 0) {
        return s.damaged(ZSTD_getErrorName(size));
    }
    if (size == 0) {
        return s.damaged("a part is missing");  // an end mark of other bytes than these
    }
    s.content_bytes += size;
    return std::string_view(s.unpacked.data(), size);
}

uint64_t OriginalReader::packed_bytes_read() const { return state_->packed_bytes; }

struct OriginalWriter::State {
    explicit State(io::File created)
        : file(std::move(created)), packed(ZSTD_compressBound(kFrameBytes)) {}

    // On the lane's thread, which owns file, context and packed until it has ended.
    Result<void> write_frame(std::string_view content) {
        const size_t size = ZSTD_compress2(context.get(), packed.data(), packed.size(),
                                           content.data(), content.size());
        if (ZSTD_isError(size) != 0) {
            return fail(ErrorKind::internal, "compression_failed",
                        fmt::format("Cannot compress a file: {}.", ZSTD_getErrorName(size)));
        }
        packed_bytes += size;
        return file.write_all({packed.data(), size});
    }

    io::File file;
    std::unique_ptr<ZSTD_CCtx, FreeCompressor> context{ZSTD_createCCtx()};
    std::vector<char> packed;
    uint64_t packed_bytes = 0;
    std::string frame;  // being filled
    uint64_t content_bytes = 0;
    Lane<std::string> lane{[this](const std::string& content) { return write_frame(content); }};
};

OriginalWriter::OriginalWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
OriginalWriter::OriginalWriter(OriginalWriter&&) noexcept = default;
OriginalWriter& OriginalWriter::operator=(OriginalWriter&&) noexcept = default;
OriginalWriter::~OriginalWriter() = default;

Result<OriginalWriter> OriginalWriter::create(const std::string& path) {
    RH_ASSIGN(io::File file, io::File::create(path));
    auto state = std::make_unique<State>(std::move(file));
    if (state->context == nullptr) {
        return out_of_memory();
    }
    ZSTD_CCtx_setParameter(state->context.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(state->context.get(), ZSTD_c_checksumFlag, 1);
    return OriginalWriter(std::move(state));
}

Result<void> OriginalWriter::write(std::string_view bytes) {
    State& s = *state_;
    s.content_bytes += bytes.size();
    while (!bytes.empty()) {
        s.frame.reserve(kFrameBytes);
        const size_t piece = std::min(bytes.size(), kFrameBytes - s.frame.size());
        s.frame += bytes.substr(0, piece);
        bytes.remove_prefix(piece);
        if (s.frame.size() == kFrameBytes) {
            RH_TRY(s.lane.push(s.frame));
        }
    }
    return {};
}

Result<void> OriginalWriter::finish() {
    State& s = *state_;
    if (!s.frame.empty()) {
        RH_TRY(s.lane.push(s.frame));
    }
    RH_TRY(s.lane.finish());
    const std::string end = end_frame(s.content_bytes);
    RH_TRY(s.file.write_all(end));
    s.packed_bytes += end.size();
    RH_TRY(s.file.sync());
    return s.file.close();
}

uint64_t OriginalWriter::packed_bytes() const { return state_->packed_bytes; }

}  // namespace rh::uploads
