#include "reconcile/statement.h"

#include <string>

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "io/file.h"

namespace rh::reconcile {
namespace {

std::string gzip(const std::string& text) {
    std::string packed(text.size() + 1000, '\0');
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(packed.size() - stream.avail_out);
    deflateEnd(&stream);
    return packed;
}

std::string zstd(const std::string& text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
    return packed;
}

using Packing = io::ContentEncoding;

// What is kept of a body, or the error's code.
std::string kept(const std::string& body, Packing packing, size_t piece,
                 const StatementLimits& limits = {}) {
    const std::string path = testing::TempDir() + "/statement.csv";
    auto writer = StatementWriter::create(path, packing, limits);
    EXPECT_TRUE(writer);
    for (size_t at = 0; at < body.size(); at += piece) {
        if (auto written = writer->write(std::string_view(body).substr(at, piece)); !written) {
            return written.error().code;
        }
    }
    if (auto finished = writer->finish(std::nullopt); !finished) {
        return finished.error().code;
    }
    return *io::read_file(path);
}

TEST(StatementWriter, KeepsTheUnpackedBytes) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += std::to_string(i * 7919) + ",";
    }
    for (const size_t piece : {size_t{1000}, size_t{1} << 20}) {
        EXPECT_EQ(kept(text, Packing::none, piece), text);
        EXPECT_EQ(kept(gzip(text), Packing::gzip, piece), text);
        EXPECT_EQ(kept(gzip(text) + gzip("more"), Packing::gzip, piece), text + "more");
        EXPECT_EQ(kept(zstd(text), Packing::zstd, piece), text);
    }
}

TEST(StatementWriter, RefusesWhatIsCutWrongOrTooLarge) {
    const std::string text(100'000, 'x');
    EXPECT_EQ(kept(gzip(text).substr(0, 50), Packing::gzip, 10), "truncated_gzip");
    EXPECT_EQ(kept(zstd(text).substr(0, 15), Packing::zstd, 10), "truncated_zstd");
    EXPECT_EQ(kept(text, Packing::gzip, 1000), "bad_gzip");
    EXPECT_EQ(kept(text, Packing::zstd, 1000), "bad_zstd");
    EXPECT_EQ(kept("", Packing::none, 1), "empty_file");
    EXPECT_EQ(kept(text, Packing::none, 1000, {.bytes_max = 99'999}), "statement_too_large");
    EXPECT_EQ(kept(text, Packing::none, 1000, {.bytes_max = 100'000}), text);
    EXPECT_EQ(
        kept(std::string(33 << 20, 'x'), Packing::none, 1 << 20, {.free_bytes_min = UINT64_MAX}),
        "storage_full");
    const std::string bomb(40 << 20, 'x');
    EXPECT_EQ(kept(zstd(bomb), Packing::zstd, 1 << 20), "decompression_ratio");
}

}  // namespace
}  // namespace rh::reconcile
