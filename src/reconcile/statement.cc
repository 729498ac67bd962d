#include "reconcile/statement.h"

#include <utility>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace rh::reconcile {
namespace {

constexpr size_t kPieceBytes = 128 * 1024;
constexpr uint64_t kRatioFromBytes = 16 << 20;
constexpr int kGzipWindowBits = 15 + 16;  // zlib's way to ask for gzip and nothing else

}  // namespace

std::optional<Packing> parse_packing(std::string_view content_encoding) {
    if (content_encoding.empty() || content_encoding == "identity") {
        return Packing::none;
    }
    if (content_encoding == "gzip" || content_encoding == "x-gzip") {
        return Packing::gzip;
    }
    return content_encoding == "zstd" ? std::optional(Packing::zstd) : std::nullopt;
}

struct StatementWriter::State {
    State(io::File f, Packing p, const StatementLimits& l)
        : file(std::move(f)), packing(p), limits(l) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (inflating) {
            ::inflateEnd(&gzip);
        }
        ::ZSTD_freeDStream(zstd);
    }

    io::File file;
    Packing packing;
    StatementLimits limits;
    CharsetDetector detector;
    std::string piece;
    uint64_t packed = 0, unpacked = 0;
    bool at_member_end = true;  // of gzip, or at a frame's end of zstd
    z_stream gzip{};
    bool inflating = false;
    ZSTD_DStream* zstd = nullptr;
};

StatementWriter::StatementWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
StatementWriter::StatementWriter(StatementWriter&&) noexcept = default;
StatementWriter::~StatementWriter() = default;

Result<StatementWriter> StatementWriter::create(const std::string& path, Packing packing,
                                                const StatementLimits& limits) {
    RH_ASSIGN(auto file, io::File::create(path));
    auto state = std::make_unique<State>(std::move(file), packing, limits);
    state->piece.resize(kPieceBytes);
    if (packing == Packing::gzip) {
        state->inflating = ::inflateInit2(&state->gzip, kGzipWindowBits) == Z_OK;
    } else if (packing == Packing::zstd) {
        state->zstd = ::ZSTD_createDStream();
    }
    const bool ready = packing == Packing::none || state->inflating || state->zstd != nullptr;
    if (!ready) {
        return fail(ErrorKind::internal, "out_of_memory",
                    "There is no memory to unpack the statement. Try again later.");
    }
    return StatementWriter(std::move(state));
}

Result<void> StatementWriter::keep(std::string_view bytes) {
    State& s = *state_;
    s.unpacked += bytes.size();
    if (s.unpacked > s.limits.bytes_max) {
        return fail(ErrorKind::too_large, "statement_too_large",
                    fmt::format("The statement is larger than {} bytes. Split it by time and send "
                                "the parts.",
                                s.limits.bytes_max));
    }
    if (s.unpacked > kRatioFromBytes && s.unpacked > s.packed * s.limits.ratio_max) {
        return fail(
            ErrorKind::too_large, "ratio_too_large",
            fmt::format("The body unpacks to more than {} times its size. Send it unpacked.",
                        s.limits.ratio_max));
    }
    s.detector.feed(bytes);
    return s.file.write_all(bytes);
}

Result<void> StatementWriter::gunzip(std::string_view body) {
    State& s = *state_;
    // zlib takes no const, and does not write to its input.
    s.gzip.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    s.gzip.avail_in = static_cast<uInt>(body.size());
    bool full = false;
    while (s.gzip.avail_in > 0 || full) {
        if (s.at_member_end) {  // gzip members may follow each other
            ::inflateReset(&s.gzip);
            s.at_member_end = false;
        }
        s.gzip.next_out = reinterpret_cast<Bytef*>(s.piece.data());
        s.gzip.avail_out = static_cast<uInt>(s.piece.size());
        const int code = ::inflate(&s.gzip, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            return fail(
                ErrorKind::invalid_content, "bad_gzip",
                "The body is not valid gzip. Pack it again, or leave Content-Encoding out.");
        }
        full = s.gzip.avail_out == 0 && code != Z_STREAM_END;
        s.at_member_end = code == Z_STREAM_END;
        RH_TRY(keep(std::string_view(s.piece).substr(0, s.piece.size() - s.gzip.avail_out)));
    }
    return {};
}

Result<void> StatementWriter::unzstd(std::string_view body) {
    State& s = *state_;
    ZSTD_inBuffer in{body.data(), body.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
        ZSTD_outBuffer out{s.piece.data(), s.piece.size(), 0};
        const size_t code = ::ZSTD_decompressStream(s.zstd, &out, &in);
        if (::ZSTD_isError(code) != 0) {
            return fail(
                ErrorKind::invalid_content, "bad_zstd",
                "The body is not valid zstd. Pack it again, or leave Content-Encoding out.");
        }
        full = out.pos == out.size && code != 0;
        s.at_member_end = code == 0;
        RH_TRY(keep(std::string_view(s.piece).substr(0, out.pos)));
    }
    return {};
}

Result<void> StatementWriter::write(std::string_view body) {
    state_->packed += body.size();
    switch (state_->packing) {
        case Packing::none:
            return keep(body);
        case Packing::gzip:
            return gunzip(body);
        case Packing::zstd:
            return unzstd(body);
    }
    return {};
}

Result<void> StatementWriter::finish() {
    if (!state_->at_member_end) {
        const bool gzip = state_->packing == Packing::gzip;
        return fail(ErrorKind::invalid_content, gzip ? "bad_gzip" : "bad_zstd",
                    "The body ends before its packed data does. Send it again, whole.");
    }
    if (state_->unpacked == 0) {
        return fail(ErrorKind::invalid_content, "empty_file",
                    "The body is empty. Send a CSV with a header and rows.");
    }
    RH_TRY(state_->file.sync());
    return state_->file.close();
}

Charset StatementWriter::detected_charset() const { return state_->detector.decide(); }

}  // namespace rh::reconcile
