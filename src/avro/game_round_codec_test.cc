#include "avro/game_round_codec.h"

#include <gtest/gtest.h>

#include "avro/random_batches.h"
#include "base/test_seed.h"

namespace rh::avro {
namespace {

const model::UploadId kId = *model::parse_upload_id("01234567-89ab-8def-8123-456789abcdef");

model::RowBatch one_row() {
    model::RowBatch batch;
    batch.row_number = {7};
    batch.created_ms = {-1};
    batch.game_instance_id = {64};
    batch.game_id = {-1'234'567};
    batch.amount = {{{50'000}, {0}, {-128}, {128}}};
    batch.user_id.push_back("ab");
    batch.game_name.push_back("");
    batch.provider.push_back("P");
    return batch;
}

// Written by hand from the Avro specification, so that it does not agree with the code by descent.
const std::string kOneRecord = std::string("\x01", 1) +  // −1
                               "\x80\x01" +              // 64
                               "\x04"
                               "ab" +                                //
                               "\x8d\xda\x96\x01" +                  // −1234567
                               std::string("\x06\x00\xc3\x50", 4) +  // 0.05
                               std::string("\x02\x00", 2) +          // 0
                               "\x02\x80" +                          // −128
                               std::string("\x04\x00\x80", 3) +      // 128
                               std::string("\x00", 1) +              // ""
                               "\x02P" +                             //
                               "\x48"
                               "01234567-89ab-8def-8123-456789abcdef" +  //
                               "\x0e";                                   // 7

TEST(GameRoundCodec, writes_the_bytes_of_the_specification) {
    std::string out;
    encode_rows(one_row(), 0, 1, kId, out);
    EXPECT_EQ(out, kOneRecord);
}

TEST(GameRoundCodec, reads_the_bytes_of_the_specification) {
    model::RowBatch batch;
    ASSERT_TRUE(decode_rows(kOneRecord, 1, kId, batch));
    EXPECT_TRUE(same_rows(batch, one_row()));
}

TEST(GameRoundCodec, reads_one_record_as_it_reads_many) {
    const auto round = read_record(kOneRecord);
    ASSERT_TRUE(round);
    EXPECT_EQ(round->upload_id, model::to_string(kId));
    EXPECT_EQ(round->user_id, "ab");
    const uint64_t seed = test_seed();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE(seed);
    const model::RowBatch batch = RandomBatches(seed).extreme(500, 1, 13);
    model::RowBatch decoded;
    for (size_t i = 0; i < batch.size(); ++i) {
        std::string out;
        encode_rows(batch, i, i + 1, kId, out);
        const auto one = read_record(out);
        ASSERT_TRUE(one);
        ASSERT_TRUE(append_row(*one, decoded));
    }
    EXPECT_TRUE(same_rows(decoded, batch));
    EXPECT_FALSE(read_record(kOneRecord + kOneRecord));
    EXPECT_FALSE(read_record(""));
}

TEST(GameRoundCodec, gives_back_random_rows_in_pieces) {
    const uint64_t seed = test_seed();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE(seed);
    RandomBatches random(seed);
    for (const size_t rows : {1UL, 2UL, 3UL, 100UL, 5000UL}) {
        const model::RowBatch batch = random.extreme(rows, model::kCellRows + 1, 13);
        model::RowBatch decoded;
        for (size_t first = 0; first < rows;) {
            const size_t next = std::min(rows, first + 1 + rows / 3);
            std::string out = "before";
            encode_rows(batch, first, next, kId, out);
            EXPECT_LE(out.size() - 6, encoded_bytes_max(batch, first, next));
            ASSERT_TRUE(decode_rows(std::string_view(out).substr(6), next - first, kId, decoded));
            first = next;
        }
        EXPECT_TRUE(same_rows(decoded, batch));
    }
}

TEST(GameRoundCodec, refuses_every_record_cut_short_and_keeps_the_batch) {
    for (size_t bytes = 0; bytes < kOneRecord.size(); ++bytes) {
        // In memory of exactly that size, so that a read past the end is seen by the sanitizer.
        const std::vector<char> cut(kOneRecord.begin(),
                                    kOneRecord.begin() + static_cast<ptrdiff_t>(bytes));
        model::RowBatch batch = one_row();
        batch.row_number = {6};
        const auto decoded = decode_rows({cut.data(), cut.size()}, 1, kId, batch);
        ASSERT_FALSE(decoded) << bytes;
        ASSERT_FALSE(read_record({cut.data(), cut.size()})) << bytes;
        EXPECT_EQ(decoded.error().code, "avro_damaged");
        EXPECT_EQ(batch.size(), 1U);
        EXPECT_EQ(batch.user_id.chars.size(), 2U);
    }
}

TEST(GameRoundCodec, a_flipped_bit_is_an_error_or_one_other_row) {
    for (size_t bit = 0; bit < kOneRecord.size() * 8; ++bit) {
        std::vector<char> bytes(kOneRecord.begin(), kOneRecord.end());
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        model::RowBatch batch;
        const auto round = read_record({bytes.data(), bytes.size()});
        const bool same_upload = round && round->upload_id == model::to_string(kId);
        if (decode_rows({bytes.data(), bytes.size()}, 1, kId, batch)) {
            EXPECT_TRUE(same_upload) << bit;
            EXPECT_EQ(batch.size(), 1U);
            EXPECT_FALSE(same_rows(batch, one_row())) << bit;
        } else {
            EXPECT_FALSE(same_upload) << bit;
            EXPECT_TRUE(batch.empty());
        }
    }
}

TEST(GameRoundCodec, refuses_records_that_cannot_be_those_of_the_upload) {
    model::RowBatch batch;
    EXPECT_FALSE(decode_rows(kOneRecord + "x", 1, kId, batch)) << "bytes left over";
    EXPECT_FALSE(decode_rows(kOneRecord + kOneRecord, 2, kId, batch)) << "the same row number";
    EXPECT_FALSE(decode_rows(kOneRecord, 1, model::UploadId{}, batch)) << "another upload";
    EXPECT_FALSE(decode_rows(kOneRecord, UINT64_MAX, kId, batch)) << "a lying count";
    EXPECT_TRUE(batch.empty());

    model::RowBatch other_cell = one_row();
    other_cell.row_number = {model::kCellRows + 1};
    std::string out = kOneRecord;
    encode_rows(other_cell, 0, 1, kId, out);
    EXPECT_FALSE(decode_rows(out, 2, kId, batch)) << "two cells";

    std::string large;
    model::RowBatch amount = one_row();
    amount.amount[2] = {model::kMoneyMicrosMax + 1};
    encode_rows(amount, 0, 1, kId, large);
    EXPECT_FALSE(decode_rows(large, 1, kId, batch)) << "19 digits";
}

}  // namespace
}  // namespace rh::avro
