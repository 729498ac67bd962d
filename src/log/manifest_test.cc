#include "log/manifest.h"

#include <functional>

#include <gtest/gtest.h>

#include "avro/container_format.h"
#include "log/hash.h"

namespace rh::log {
namespace {

Manifest sample() {
    Manifest manifest;
    manifest.upload_id = *model::parse_upload_id("01234567-89ab-8def-8123-456789abcdef");
    manifest.epoch = 3;
    manifest.totals.rows = 5;
    manifest.totals.sums = {{{50'000}, {-1}, {static_cast<__int128>(INT64_MAX) * 1000}, {0}}};
    manifest.partitions.push_back({.partition = 0, .totals = manifest.totals, .last_offset = 4});
    manifest.files.push_back(
        {.name = "rows-000000.avro",
         .bytes = 300,
         .rows = 5,
         .xxh3_128 = xxh3_128("all"),
         .header = {.bytes = 100, .xxh3_128 = xxh3_128("header")},
         .blocks = {{.first_row = 1, .rows = 3, .offset = 100, .bytes = 120, .xxh3_128 = "a"},
                    {.first_row = 9, .rows = 2, .offset = 220, .bytes = 80, .xxh3_128 = "b"}}});
    return manifest;
}

TEST(Manifest, comes_back_as_it_was_written) {
    const auto read = parse_manifest(manifest_text(sample()));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->upload_id, sample().upload_id);
    EXPECT_EQ(read->epoch, 3U);
    EXPECT_EQ(read->totals, sample().totals);
    ASSERT_EQ(read->partitions.size(), 1U);
    EXPECT_EQ(read->partitions[0].totals, sample().totals);
    EXPECT_EQ(read->partitions[0].last_offset, 4);
    ASSERT_EQ(read->files.size(), 1U);
    EXPECT_EQ(read->files[0].name, "rows-000000.avro");
    ASSERT_EQ(read->files[0].blocks.size(), 2U);
    EXPECT_EQ(read->files[0].blocks[1].first_row, 9U);
    EXPECT_EQ(read->files[0].blocks[1].offset, 220U);
    EXPECT_EQ(read->files[0].blocks[1].xxh3_128, "b");
}

TEST(Manifest, every_cut_is_noticed) {
    const std::string text = manifest_text(sample());
    for (size_t length = 0; length < text.size(); ++length) {
        const auto read = parse_manifest(std::string_view(text).substr(0, length));
        ASSERT_FALSE(read) << length;
        EXPECT_EQ(read.error().code, "log_damaged");
    }
    EXPECT_FALSE(parse_manifest(text + "\n"));
}

TEST(Manifest, every_flipped_bit_is_noticed) {
    const std::string text = manifest_text(sample());
    for (size_t bit = 0; bit < text.size() * 8; ++bit) {
        std::string flipped = text;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(parse_manifest(flipped)) << bit;
    }
}

std::string with_its_hash(const std::string& line) {
    return line + "{\"xxh3_128\":\"" + xxh3_128(line) + "\"}\n";
}

TEST(Manifest, a_right_hash_does_not_make_a_lie_true) {
    const std::vector<std::function<void(Manifest&)>> lies = {
        [](Manifest& m) { m.totals.rows = 6; },
        [](Manifest& m) { m.totals.sums[1].add(1); },
        [](Manifest& m) { m.partitions[0].last_offset = 5; },
        [](Manifest& m) { m.partitions[0].partition = 1; },
        [](Manifest& m) { m.partitions.clear(); },
        [](Manifest& m) { m.files.clear(); },
        [](Manifest& m) { m.files[0].name = "../../etc/passwd"; },
        [](Manifest& m) { m.files[0].bytes = 301; },
        [](Manifest& m) { m.files[0].rows = 4; },
        [](Manifest& m) { m.files[0].header.bytes = avro::kHeaderBytesMax + 1; },
        [](Manifest& m) { m.files[0].blocks[1].offset = 221; },
        [](Manifest& m) { m.files[0].blocks[1].first_row = 3; },
        [](Manifest& m) { m.files[0].blocks[0].rows = 0; },
        [](Manifest& m) { m.files[0].blocks[1].bytes = INT64_MAX; },
    };
    for (size_t i = 0; i < lies.size(); ++i) {
        Manifest manifest = sample();
        lies[i](manifest);
        EXPECT_FALSE(parse_manifest(manifest_text(manifest))) << i;
    }
    for (const char* line : {"{}\n", "[]\n", "\n", "nul\n", "{\"files\":7}\n"}) {
        EXPECT_FALSE(parse_manifest(with_its_hash(line))) << line;
    }
}

TEST(Hash, is_the_one_that_xxhsum_prints) {
    // printf '' | xxhsum -H2, printf 'roundhouse' | xxhsum -H2
    EXPECT_EQ(xxh3_128(""), "99aa06d3014798d86001c324468d497f");
    Hasher pieces;
    pieces.add("round");
    pieces.add("house");
    EXPECT_EQ(pieces.digest(), xxh3_128("roundhouse"));
}

}  // namespace
}  // namespace rh::log
