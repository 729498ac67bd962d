#include "io/unpack.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include "base/assert.h"

namespace rh::io {
namespace {

constexpr size_t kOutputBytes = 256 * 1024;

std::unexpected<Error> truncated(std::string_view code, std::string_view format) {
    return fail(ErrorKind::invalid_content, std::string(code),
                fmt::format("The {} body ends before its last byte, so the file was cut on the "
                            "way. Send it again.",
                            format));
}

class Plain final : public Unpacker {
  public:
    Result<void> feed(std::string_view packed, const Taker& take) override { return take(packed); }
    Result<void> finish() override { return {}; }
};

class Gzip final : public Unpacker {
  public:
    Gzip() : output_(kOutputBytes) {
        // 15 bits of window, and 16 for "a gzip header, not a zlib one".
        RH_ASSERT(inflateInit2(&stream_, 15 + 16) == Z_OK);
    }
    ~Gzip() override { inflateEnd(&stream_); }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;

    Result<void> feed(std::string_view packed, const Taker& take) override {
        // zlib reads from next_in only; its type has no const.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
        stream_.avail_in = static_cast<uInt>(packed.size());
        while (true) {
            if (!in_member_) {
                RH_TRY(begin_member());
                if (!in_member_) {
                    return {};
                }
            }
            stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
            stream_.avail_out = static_cast<uInt>(output_.size());
            const int code = inflate(&stream_, Z_NO_FLUSH);
            if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
                return bad(stream_.msg == nullptr ? "not a gzip file" : stream_.msg);
            }
            const size_t got = output_.size() - stream_.avail_out;
            if (got > 0) {
                RH_TRY(take({output_.data(), got}));
            }
            in_member_ = code != Z_STREAM_END;
            if (in_member_ && stream_.avail_in == 0 && stream_.avail_out > 0) {
                return {};
            }
        }
    }

    Result<void> finish() override {
        if (in_member_ || members_ == 0) {
            return truncated("truncated_gzip", "gzip");
        }
        return {};
    }

  private:
    static std::unexpected<Error> bad(std::string_view why) {
        return fail(ErrorKind::invalid_content, "bad_gzip",
                    fmt::format("The body cannot be unpacked as gzip ({}). Send a sound gzip file, "
                                "or the file itself without Content-Encoding.",
                                why));
    }

    // Between members: the next one, or zeros with which some tools fill the last block.
    Result<void> begin_member() {
        if (stream_.avail_in == 0) {
            return {};
        }
        const bool zeros = members_ > 0 && *stream_.next_in == 0;
        if (padded_ || zeros) {
            padded_ = true;
            const auto* const end = stream_.next_in + stream_.avail_in;
            if (std::any_of(stream_.next_in, stream_.next_in + stream_.avail_in,
                            [](Bytef byte) { return byte != 0; })) {
                return bad("other bytes follow its end");
            }
            stream_.next_in += end - stream_.next_in;
            stream_.avail_in = 0;
            return {};
        }
        if (inflateReset(&stream_) != Z_OK) {
            return bad("not a gzip file");
        }
        in_member_ = true;
        ++members_;
        return {};
    }

    z_stream stream_{};
    std::vector<char> output_;
    uint64_t members_ = 0;
    bool in_member_ = false;
    bool padded_ = false;
};

class Zstd final : public Unpacker {
  public:
    Zstd() : context_(ZSTD_createDCtx()), output_(ZSTD_DStreamOutSize()) {
        RH_ASSERT(context_ != nullptr);
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
    }

    Result<void> feed(std::string_view packed, const Taker& take) override {
        ZSTD_inBuffer input{packed.data(), packed.size(), 0};
        bool output_full = false;  // then more may come without further input
        while (input.pos < input.size || output_full) {
            ZSTD_outBuffer output{output_.data(), output_.size(), 0};
            const size_t left = ZSTD_decompressStream(context_.get(), &output, &input);
            if (ZSTD_isError(left) != 0) {
                return fail(
                    ErrorKind::invalid_content, "bad_zstd",
                    fmt::format("The body cannot be unpacked as zstd ({}). Send a sound zstd file "
                                "with a window of at most 8 MiB (zstd -19 or lower), or the file "
                                "itself without Content-Encoding.",
                                ZSTD_getErrorName(left)));
            }
            if (output.pos > 0) {
                RH_TRY(take({output_.data(), output.pos}));
            }
            frame_open_ = left != 0;
            output_full = frame_open_ && output.pos == output.size;
        }
        return {};
    }

    Result<void> finish() override {
        if (frame_open_) {
            return truncated("truncated_zstd", "zstd");
        }
        return {};
    }

  private:
    struct Free {
        void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context_;
    std::vector<char> output_;
    bool frame_open_ = true;  // no frame at all is a cut body, too
};

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
    return std::ranges::equal(a, lower_case, [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
    });
}

}  // namespace

std::optional<ContentEncoding> parse_content_encoding(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, ContentEncoding>, 5> kNames = {{
        {"", ContentEncoding::none},
        {"identity", ContentEncoding::none},
        {"gzip", ContentEncoding::gzip},
        {"x-gzip", ContentEncoding::gzip},
        {"zstd", ContentEncoding::zstd},
    }};
    for (const auto& [name, encoding] : kNames) {
        if (equal_ignoring_case(text, name)) {
            return encoding;
        }
    }
    return std::nullopt;
}

Result<void> check_ratio(ContentEncoding encoding, uint64_t packed, uint64_t unpacked,
                         const RatioLimit& limit) {
    if (encoding != ContentEncoding::none && unpacked > limit.free_bytes &&
        unpacked / limit.ratio_max > packed) {
        return fail(ErrorKind::too_large, "decompression_ratio",
                    fmt::format("The body unpacks to more than {} times its size, which is the "
                                "limit. Send the file less compressed.",
                                limit.ratio_max));
    }
    return {};
}

std::unique_ptr<Unpacker> Unpacker::make(ContentEncoding encoding) {
    switch (encoding) {
        case ContentEncoding::none:
            return std::make_unique<Plain>();
        case ContentEncoding::gzip:
            return std::make_unique<Gzip>();
        case ContentEncoding::zstd:
            return std::make_unique<Zstd>();
    }
    return nullptr;
}

}  // namespace rh::io
