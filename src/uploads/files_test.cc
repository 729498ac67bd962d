// Layout, originals, rejects and progress: the files and the memory of uploads beside the ledger.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zstd.h>

#include "base/test_directory.h"
#include "io/file.h"
#include "uploads/layout.h"
#include "uploads/original.h"
#include "uploads/progress.h"
#include "uploads/reject_file.h"

namespace rh::uploads {
namespace {

namespace fs = std::filesystem;

class FilesTest : public ::testing::Test {
  protected:
    std::string path(const char* name) const { return directory_ + "/" + name; }
    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
};

std::string read_all(OriginalReader& reader) {
    std::string all;
    while (true) {
        const auto piece = reader.next();
        EXPECT_TRUE(piece) << piece.error().message;
        if (!piece || piece->empty()) {
            return all;
        }
        all += *piece;
    }
}

TEST_F(FilesTest, OriginalsComeBackToTheByteAndAreOrdinaryZstd) {
    const auto seed = std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    std::mt19937 random(seed);
    std::string text;
    for (int i = 0; i < 600'000; ++i) {  // some frames
        text += std::to_string(random() % 1000) + ",";
    }
    auto writer = OriginalWriter::create(path("o.zst")).value();
    for (size_t at = 0; at < text.size();) {
        const size_t piece = random() % 70'000;
        ASSERT_TRUE(writer.write(std::string_view(text).substr(at, piece)));
        at += piece;
    }
    ASSERT_TRUE(writer.finish());
    EXPECT_EQ(writer.packed_bytes(), fs::file_size(path("o.zst")));
    auto reader = OriginalReader::open(path("o.zst")).value();
    EXPECT_EQ(read_all(reader), text);
    EXPECT_TRUE(reader.next()->empty());

    const std::string packed = io::read_file(path("o.zst")).value();
    std::string plain(text.size() + 1, '\0');
    EXPECT_EQ(ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size()),
              text.size());
}

TEST_F(FilesTest, ADamagedOriginalIsNeverGivenOutWhole) {
    std::string text;
    for (int i = 0; i < 150'000; ++i) {
        text += std::to_string(i * 7919 % 10'007) + "\n";
    }
    auto writer = OriginalWriter::create(path("o.zst")).value();
    ASSERT_TRUE(writer.write(text));
    ASSERT_TRUE(writer.finish());
    const std::string good = io::read_file(path("o.zst")).value();
    const auto ends_in_error = [this](const std::string& bytes) {
        std::ofstream(path("bad.zst"), std::ios::binary) << bytes;
        auto reader = OriginalReader::open(path("bad.zst")).value();
        while (true) {
            const auto piece = reader.next();
            if (!piece) {
                return piece.error().code == "original_damaged";
            }
            if (piece->empty()) {
                return false;
            }
        }
    };
    EXPECT_TRUE(ends_in_error(""));
    // Cut between two frames, a frame lost, something added: every frame is whole.
    const size_t end_mark = 16;
    const size_t first = ZSTD_findFrameCompressedSize(good.data(), good.size());
    ASSERT_LT(first, good.size() - end_mark) << "the text is to fill more than one frame";
    EXPECT_TRUE(ends_in_error(good.substr(0, good.size() - end_mark)));
    EXPECT_TRUE(ends_in_error(good.substr(first)));
    EXPECT_TRUE(ends_in_error(good.substr(0, first) + good.substr(good.size() - end_mark)));
    EXPECT_TRUE(ends_in_error(good + good));
    EXPECT_TRUE(ends_in_error(good + "x"));
    for (const size_t cut : {size_t{1}, good.size() / 2, good.size() - 1}) {
        EXPECT_TRUE(ends_in_error(good.substr(0, cut))) << cut;
    }
    for (size_t at = 0; at < good.size(); at += good.size() / 40) {
        std::string flipped = good;
        flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
        EXPECT_TRUE(ends_in_error(flipped)) << at;
    }
}

model::Reject reject_of(uint64_t row) {
    model::Reject reject{.line = row + 1, .line_last = row + 2, .row = row, .faults = {}};
    reject.faults.push_back({.code = model::RejectCode::bad_decimal,
                             .column = 4,
                             .value = "1,\"5\\\n\t\x01 ü€",
                             .detail = "Not a decimal number."});
    if (row % 3 == 0) {
        reject.faults.push_back(
            {.code = model::RejectCode::field_count, .column = -1, .value = "", .detail = "x"});
    }
    return reject;
}

TEST_F(FilesTest, RejectLinesAreJsonAndComeBackByPages) {
    constexpr uint64_t kRows = 5'000;
    auto writer = RejectWriter::create(path("r.ndjson")).value();
    for (uint64_t row = 1; row <= kRows; ++row) {
        const model::Reject reject = reject_of(row);
        ASSERT_TRUE(writer.add(std::span(&reject, 1)));
    }
    ASSERT_TRUE(writer.finish());

    uint64_t offset = 0;
    uint64_t row = 0;
    bool more = true;
    while (more) {
        auto reader = RejectReader::open(path("r.ndjson"), offset).value();
        std::vector<StoredReject> page;
        ASSERT_TRUE(reader.next(777, page));
        for (const StoredReject& stored : page) {
            const model::Reject expected = reject_of(++row);
            EXPECT_EQ(stored.reject.line, expected.line);
            EXPECT_EQ(stored.reject.line_last, expected.line_last);
            EXPECT_EQ(stored.reject.row, expected.row);
            ASSERT_EQ(stored.reject.faults.size(), expected.faults.size());
            EXPECT_EQ(stored.reject.faults[0].value, expected.faults[0].value);
            EXPECT_EQ(stored.reject.faults[0].code, expected.faults[0].code);
            EXPECT_EQ(stored.reject.faults[0].column, 4);
            EXPECT_EQ(stored.reject.faults.back().detail, expected.faults.back().detail);
            const auto json = boost::json::parse(stored.json).as_object();
            EXPECT_EQ(json.at("faults").as_array()[0].as_object().at("column").as_string(),
                      "real_amount_bet");
            if (row % 3 == 0) {
                EXPECT_TRUE(json.at("faults").as_array()[1].as_object().at("column").is_null());
            }
        }
        offset = reader.next_offset();
        more = !reader.at_end().value();
    }
    EXPECT_EQ(row, kRows);

    EXPECT_EQ(RejectReader::open(path("r.ndjson"), offset - 2).error().code, "bad_cursor");
    EXPECT_EQ(RejectReader::open(path("r.ndjson"), offset + 10).error().code, "bad_cursor");
    EXPECT_EQ(RejectReader::open(path("none"), 5).error().code, "bad_cursor");
    EXPECT_TRUE(RejectReader::open(path("none"), 0)->at_end().value());
}

TEST_F(FilesTest, ALineThatIsStillBeingWrittenIsNotGivenOut) {
    std::string text;
    append_reject_line(text, reject_of(1));
    append_reject_line(text, reject_of(2));
    std::ofstream(path("r.ndjson")) << text.substr(0, text.size() - 5);
    auto reader = RejectReader::open(path("r.ndjson"), 0).value();
    std::vector<StoredReject> page;
    ASSERT_TRUE(reader.next(10, page));
    EXPECT_EQ(page.size(), 1U);
    EXPECT_TRUE(reader.at_end().value());
}

TEST_F(FilesTest, AStartRemovesSpoolsAndDirectoriesThatTheLedgerDoesNotKnow) {
    auto ledger = Ledger::open(path("ledger.sqlite")).value();
    Upload known;
    known.id.bytes[0] = 1;
    known.sha256 = "s";
    ASSERT_TRUE(ledger->create(known));
    model::UploadId unknown;
    unknown.bytes[0] = 2;
    {
        const auto layout = Layout::open(directory_).value();
        for (const auto& id : {known.id, unknown}) {
            ASSERT_TRUE(io::make_directories(layout->directory(id)));
            std::ofstream(layout->original(id)) << "x";
        }
        std::ofstream(layout->new_spool_directory().value() + "/original.zst") << "half";
    }
    const auto layout = Layout::open(directory_).value();
    EXPECT_TRUE(fs::is_empty(layout->incoming()));
    EXPECT_EQ(layout->remove_unknown(*ledger).value(), 1U);
    EXPECT_TRUE(fs::exists(layout->original(known.id)));
    EXPECT_FALSE(fs::exists(layout->directory(unknown)));

    EXPECT_EQ(layout->remove(*ledger, known.id).error().code, "upload_running");
    known.state = State::cancelled;
    ASSERT_TRUE(ledger->update(known, State::validating));
    const auto broken = layout->remove(*ledger, known.id, [] {
        return Result<void>(fail(ErrorKind::unavailable, "log_busy", "no"));
    });
    EXPECT_EQ(broken.error().code, "log_busy");
    EXPECT_TRUE(ledger->find(known.id).value());
    ASSERT_TRUE(layout->remove(*ledger, known.id));
    EXPECT_FALSE(fs::exists(layout->directory(known.id)));
    EXPECT_EQ(layout->remove(*ledger, known.id).error().code, "upload_not_found");
}

TEST(ProgressBoard, NumbersGrowAndWaitersWake) {
    using namespace std::chrono_literals;
    ProgressBoard board;
    model::UploadId id;
    EXPECT_FALSE(board.wait_for_change(id, 0, 1ms));
    board.set(id, State::validating, {.stage = "validating", .rows = 1});
    const auto first = board.wait_for_change(id, 0, 0ms).value();
    EXPECT_EQ(first.progress.rows, 1U);
    EXPECT_FALSE(board.wait_for_change(id, first.number, 1ms));
    const std::jthread later([&] { board.set(id, State::stored, {.stage = "stored", .rows = 2}); });
    const auto second = board.wait_for_change(id, first.number, 60s).value();
    EXPECT_GT(second.number, first.number);
    EXPECT_EQ(second.state, State::stored);
    board.forget(id);
    EXPECT_FALSE(board.find(id));
    board.stop();
    EXPECT_FALSE(board.wait_for_change(id, 0, 60s));
}

TEST(ProgressBoard, KeepsRunningRowsAndBoundsFinishedOnes) {
    ProgressBoard board;
    model::UploadId running;
    running.bytes[15] = 1;
    board.set(running, State::storing, {});
    model::UploadId first;
    for (int i = 0; i < 3'000; ++i) {
        model::UploadId id;
        id.bytes[0] = static_cast<uint8_t>(i & 0xff);
        id.bytes[1] = static_cast<uint8_t>(i >> 8);
        board.set(id, State::stored, {});
        first = i == 0 ? id : first;
        EXPECT_TRUE(board.find(id));
    }
    EXPECT_TRUE(board.find(running));
    EXPECT_FALSE(board.find(first));
}

}  // namespace
}  // namespace rh::uploads
