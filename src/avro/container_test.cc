#include "avro/container.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "avro/game_round_codec.h"
#include "avro/random_batches.h"
#include "avro/varint.h"
#include "base/test_seed.h"

namespace rh::avro {
namespace {

const model::UploadId kId = *model::parse_upload_id("01234567-89ab-8def-8123-456789abcdef");

std::string container(const model::RowBatch& batch, Codec codec) {
    ContainerWriter writer({.codec = codec, .sync = random_sync_marker()});
    std::string out;
    writer.append_header(out);
    for (size_t row = 0; row < batch.size();) {
        row += writer.append_block(batch, row, kId, out);
    }
    return out;
}

Result<model::RowBatch> read_all(std::string_view bytes) {
    RH_ASSIGN(const ContainerHeader header, read_container_header(bytes));
    bytes.remove_prefix(header.bytes);
    model::RowBatch batch;
    std::string scratch;
    while (!bytes.empty()) {
        RH_ASSIGN(const Block block, read_block(bytes, header, scratch));
        RH_TRY(decode_rows(block.records, block.rows, kId, batch));
        bytes.remove_prefix(block.bytes);
    }
    return batch;
}

class Container : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codecs, Container, testing::Values(Codec::null, Codec::deflate),
                         [](const auto& info) {
                             return info.param == Codec::null ? "null" : "deflate";
                         });

TEST_P(Container, gives_back_random_rows) {
    const uint64_t seed = test_seed();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE(seed);
    RandomBatches random(seed);
    for (const size_t rows : {0UL, 1UL, 4096UL, 4097UL, 20'000UL}) {
        const model::RowBatch batch = random.extreme(rows, 1, 3);
        const auto read = read_all(container(batch, GetParam()));
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_TRUE(same_rows(*read, batch));
    }
}

TEST_P(Container, keeps_blocks_within_their_bound) {
    const model::RowBatch batch = RandomBatches(1).extreme(20'000, 1);
    const std::string bytes = container(batch, GetParam());
    const auto header = read_container_header(bytes);
    ASSERT_TRUE(header);
    std::string scratch;
    for (size_t at = header->bytes; at < bytes.size();) {
        const auto block = read_block(std::string_view(bytes).substr(at), *header, scratch);
        ASSERT_TRUE(block);
        EXPECT_LE(block->records.size(), kBlockBytesMax);
        EXPECT_LE(block->rows, kBlockRowsMax);
        at += block->bytes;
    }
}

TEST_P(Container, cut_short_is_an_error_or_whole_blocks) {
    RandomBatches random(2);
    const model::RowBatch first = random.usual(2, 1);
    const model::RowBatch second = random.usual(2, 3);
    ContainerWriter writer({.codec = GetParam(), .sync = random_sync_marker()});
    std::string bytes;
    writer.append_header(bytes);
    const size_t header_end = bytes.size();
    writer.append_block(first, 0, kId, bytes);
    const size_t first_end = bytes.size();
    writer.append_block(second, 0, kId, bytes);
    for (size_t length = 0; length < bytes.size(); ++length) {
        const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
        const auto read = read_all({cut.data(), cut.size()});
        // A container says nowhere how many blocks it has; the log's manifest does.
        EXPECT_EQ(read.has_value(), length == header_end || length == first_end) << length;
        if (!read) {
            EXPECT_TRUE(read.error().code == "avro_damaged") << read.error().code;
        } else if (length == first_end) {
            EXPECT_TRUE(same_rows(*read, first));
        }
    }
}

TEST_P(Container, flipped_bits_never_break_the_reader) {
    const std::string bytes = container(RandomBatches(3).usual(3, 1), GetParam());
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        std::vector<char> flipped(bytes.begin(), bytes.end());
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        const auto read = read_all({flipped.data(), flipped.size()});
        if (read) {  // the schema's text, or a value: what a hash is there to notice
            EXPECT_EQ(read->size(), 3U);
        } else {
            EXPECT_TRUE(read.error().code == "avro_damaged" ||
                        read.error().code == "avro_unsupported");
        }
    }
}

TEST(ContainerReader, believes_no_count_and_no_length) {
    std::string bytes = container({}, Codec::null);
    const auto header = read_container_header(bytes);
    ASSERT_TRUE(header);
    std::string scratch;
    const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    const std::string most = "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    for (const std::string& block :
         {huge + "\x02x", most + "\x02x", "\x02" + huge + "x", "\x02" + most + "x",
          std::string("\x00\x00", 2), std::string("\x01\x00", 2)}) {
        const auto read = read_block(block, *header, scratch);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, "avro_damaged");
    }
    for (const std::string& map : {huge, most, "\x02" + most, "\x02\x02x" + most}) {
        EXPECT_FALSE(read_container_header(std::string(kMagic) + map));
    }
}

TEST(ContainerReader, refuses_what_inflates_beyond_a_block) {
    const std::string zeros(kBlockBytesMax + 1, '\0');
    std::string deflated(2000, '\0');
    z_stream stream{};
    ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zeros.data()));
    stream.avail_in = static_cast<uInt>(zeros.size());
    stream.next_out = reinterpret_cast<Bytef*>(deflated.data());
    stream.avail_out = static_cast<uInt>(deflated.size());
    ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflated.resize(stream.total_out);
    deflateEnd(&stream);

    const auto header = read_container_header(container({}, Codec::deflate));
    ASSERT_TRUE(header);
    std::array<char, kLongBytesMax> size{};
    std::string block = "\x02";
    block.append(size.data(), put_long(size.data(), static_cast<int64_t>(deflated.size())));
    block += deflated;
    block.append(header->sync.data(), header->sync.size());
    std::string scratch;
    const auto read = read_block(block, *header, scratch);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, "avro_damaged");
}

TEST(ContainerReader, refuses_files_of_other_programs) {
    const std::string foreign = std::string(kMagic) +
                                "\x02\x16"
                                "avro.schema\x06\"a\"" +
                                std::string(1, '\0') + std::string(16, 's');
    const auto read = read_container_header(foreign);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, "avro_unsupported");
    const auto text = read_container_header("created_timestamp,game_instance_id");
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, "avro_damaged");
}

}  // namespace
}  // namespace rh::avro
