#include "log/embedded_log.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "avro/random_batches.h"
#include "base/kill_point.h"
#include "base/test_seed.h"
#include "io/file.h"
#include "log/log_format.h"

namespace rh::log {
namespace {

namespace fs = std::filesystem;
using avro::same_rows;

const model::UploadId kId = *model::parse_upload_id("01234567-89ab-8def-8123-456789abcdef");
const std::string kIdText = model::to_string(kId);

class EmbeddedLogTest : public testing::Test {
  protected:
    EmbeddedLogTest() {
        std::string name = testing::TempDir() + "/log_test.XXXXXX";
        scratch_ = ::mkdtemp(name.data());
        directory_ = scratch_ + "/log";
        staging_ = directory_ + "-staging";
    }
    ~EmbeddedLogTest() override { fs::remove_all(scratch_); }

    EmbeddedLog open(bool deflate = false) {
        auto log = EmbeddedLog::open(directory_, deflate);
        EXPECT_TRUE(log) << log.error().message;
        return std::move(*log);
    }

    // Writes and seals batches of random rows and keeps them in written_.
    void seal(EmbeddedLog& log, uint32_t epoch, std::vector<model::RowBatch> batches) {
        auto writer = log.begin(kId, epoch);
        ASSERT_TRUE(writer) << writer.error().message;
        for (const auto& batch : batches) {
            ASSERT_TRUE((*writer)->append(batch));
        }
        const auto manifest = (*writer)->seal();
        ASSERT_TRUE(manifest) << manifest.error().message;
        written_[epoch] = std::move(batches);
    }

    void seal_small(EmbeddedLog& log, uint32_t epoch) {
        seal(log, epoch, {avro::RandomBatches(epoch).usual(3, 10 * epoch)});
    }

    // What is published is exactly the rows of that epoch.
    void expect_published(const EmbeddedLog& log, uint32_t epoch) {
        const auto manifest = log.manifest(kId);
        ASSERT_TRUE(manifest) << manifest.error().message;
        EXPECT_EQ(manifest->epoch, epoch);
        auto reader = log.read(kId, 0);
        ASSERT_TRUE(reader) << reader.error().message;
        model::RowBatch batch;
        for (const auto& expected : written_[epoch]) {
            const auto more = (*reader)->next(batch);
            ASSERT_TRUE(more && *more);
            EXPECT_TRUE(same_rows(batch, expected));
        }
        const auto more = (*reader)->next(batch);
        EXPECT_TRUE(more && !*more);
    }

    std::vector<std::string> visible_avro_files() const {
        std::vector<std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
            if (entry.path().extension() == ".avro") {
                files.push_back(entry.path().string());
            }
        }
        return files;
    }

    std::string scratch_, directory_, staging_;
    std::map<uint32_t, std::vector<model::RowBatch>> written_;
};

std::vector<model::RowBatch> random_cells(uint64_t seed) {
    avro::RandomBatches random(seed);
    std::vector<model::RowBatch> batches;
    batches.push_back(random.extreme(9000, 2, 7));
    batches.push_back(random.usual(model::kCellRows, model::kCellRows + 1));
    batches.push_back(random.extreme(1, model::kCellRows * 5, 1));
    return batches;
}

TEST_F(EmbeddedLogTest, gives_back_what_was_published) {
    const uint64_t seed = test_seed();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE(seed);
    uint32_t epoch = 0;
    for (const bool deflate : {false, true}) {
        EmbeddedLog log = open(deflate);
        seal(log, ++epoch, random_cells(seed));
        EXPECT_TRUE(log.is_sealed(kId));
        ASSERT_TRUE(log.publish(kId));
        EXPECT_FALSE(log.is_sealed(kId));
        expect_published(log, epoch);
        expect_published(open(), epoch);
        model::Totals totals;
        for (const auto& batch : written_[epoch]) {
            totals.add(batch);
        }
        EXPECT_EQ(log.manifest(kId)->totals, totals);
    }
}

TEST_F(EmbeddedLogTest, joins_the_batches_of_one_cell) {
    EmbeddedLog log = open();
    avro::RandomBatches random(5);
    seal(log, 1,
         {random.usual(10, 1), random.usual(10, 20), random.usual(5, model::kCellRows + 1)});
    ASSERT_TRUE(log.publish(kId));
    auto reader = log.read(kId, 0);
    ASSERT_TRUE(reader);
    model::RowBatch batch;
    ASSERT_TRUE((*reader)->next(batch));
    EXPECT_EQ(batch.size(), 20U);
    EXPECT_EQ(batch.row_number.back(), 29U);
    ASSERT_TRUE((*reader)->next(batch));
    EXPECT_EQ(batch.size(), 5U);
}

TEST_F(EmbeddedLogTest, begins_at_any_cell) {
    EmbeddedLog log = open();
    seal(log, 1, random_cells(6));
    ASSERT_TRUE(log.publish(kId));
    const std::vector<std::pair<uint64_t, size_t>> first_cell_and_batches = {
        {0, 3}, {1, 2}, {2, 1}, {4, 1}, {5, 0}, {UINT64_MAX, 0}};
    for (const auto& [first_cell, batches] : first_cell_and_batches) {
        auto reader = log.read(kId, first_cell);
        ASSERT_TRUE(reader);
        model::RowBatch batch;
        for (size_t i = 3 - batches; i < 3; ++i) {
            const auto more = (*reader)->next(batch);
            ASSERT_TRUE(more && *more);
            EXPECT_TRUE(same_rows(batch, written_[1][i]));
        }
        const auto more = (*reader)->next(batch);
        EXPECT_TRUE(more && !*more) << first_cell;
    }
}

TEST_F(EmbeddedLogTest, an_upload_without_an_accepted_row_is_a_log_too) {
    EmbeddedLog log = open();
    seal(log, 1, {});
    ASSERT_TRUE(log.publish(kId));
    expect_published(log, 1);
    EXPECT_EQ(log.manifest(kId)->partitions[0].last_offset, -1);
}

TEST_F(EmbeddedLogTest, shows_avro_files_only_once_they_are_published) {
    EmbeddedLog log = open();
    auto writer = log.begin(kId, 1);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->append(avro::RandomBatches(1).usual(3, 1)));
    EXPECT_TRUE(visible_avro_files().empty());
    ASSERT_TRUE((*writer)->seal());
    EXPECT_TRUE(visible_avro_files().empty());
    EXPECT_EQ(log.read(kId, 0).error().code, "log_not_published");
    ASSERT_TRUE(log.publish(kId));
    EXPECT_EQ(visible_avro_files(), std::vector{directory_ + "/" + kIdText + "/rows-000000.avro"});
}

TEST_F(EmbeddedLogTest, publishing_again_changes_nothing) {
    EmbeddedLog log = open();
    EXPECT_EQ(log.publish(kId).error().code, "log_not_sealed");
    seal_small(log, 2);
    ASSERT_TRUE(log.publish(kId));
    ASSERT_TRUE(log.publish(kId));
    expect_published(log, 2);
    for (const uint32_t epoch : {2U, 1U}) {  // a repeated or late publisher
        const auto before = written_[2];
        seal_small(log, epoch);
        written_[2] = before;
        ASSERT_TRUE(log.publish(kId));
        expect_published(log, 2);
        EXPECT_FALSE(log.is_sealed(kId));
    }
}

TEST_F(EmbeddedLogTest, a_higher_epoch_takes_the_place) {
    EmbeddedLog log = open();
    seal_small(log, 1);
    ASSERT_TRUE(log.publish(kId));
    seal_small(log, 2);
    expect_published(log, 1);
    ASSERT_TRUE(log.publish(kId));
    expect_published(log, 2);
    EXPECT_EQ(visible_avro_files().size(), 1U);
    EXPECT_TRUE(fs::is_empty(staging_));
}

TEST_F(EmbeddedLogTest, a_start_removes_what_is_not_sealed_and_keeps_the_rest) {
    {
        EmbeddedLog log = open();
        auto writer = log.begin(kId, 1);
        ASSERT_TRUE(writer);
        ASSERT_TRUE((*writer)->append(avro::RandomBatches(1).usual(3, 1)));
    }
    EmbeddedLog log = open();
    EXPECT_TRUE(fs::is_empty(staging_));
    seal_small(log, 1);
    EmbeddedLog again = open();
    EXPECT_TRUE(again.is_sealed(kId));
    EXPECT_EQ(again.uploads(), std::vector{kId});
    ASSERT_TRUE(again.publish(kId));
    expect_published(again, 1);
    EXPECT_EQ(again.uploads(), std::vector{kId});
}

TEST_F(EmbeddedLogTest, a_start_removes_a_sealed_log_whose_file_is_not_whole) {
    EmbeddedLog log = open();
    seal_small(log, 1);
    const fs::path rows = fs::path(staging_) / kIdText / kRowsFile;
    fs::resize_file(rows, fs::file_size(rows) - 1);
    EXPECT_FALSE(open().is_sealed(kId));
    EXPECT_TRUE(fs::is_empty(staging_));
}

// The states that a crash can leave between the steps of replacing epoch 1 with epoch 2.
TEST_F(EmbeddedLogTest, a_crash_while_replacing_leaves_one_whole_epoch) {
    const std::string published = directory_ + "/" + kIdText;
    const std::string staged = staging_ + "/" + kIdText;
    const std::string aside = staged + std::string(kReplacedSuffix);
    for (int steps_done = 0; steps_done <= 3; ++steps_done) {
        SCOPED_TRACE(steps_done);
        fs::remove_all(scratch_);
        EmbeddedLog log = open();
        seal_small(log, 1);
        ASSERT_TRUE(log.publish(kId));
        seal_small(log, 2);
        if (steps_done >= 1) {
            fs::rename(published, aside);
        }
        if (steps_done >= 2) {
            fs::rename(staged, published);
        }
        if (steps_done >= 3) {
            fs::remove(fs::path(aside) / kManifestFile);  // in the middle of removing it
        }
        EmbeddedLog restarted = open();
        EXPECT_EQ(visible_avro_files().size(), 1U);
        expect_published(restarted, steps_done == 0 ? 1 : 2);
        ASSERT_TRUE(restarted.publish(kId));
        expect_published(restarted, 2);
        EXPECT_TRUE(fs::is_empty(staging_));
    }
}

TEST_F(EmbeddedLogTest, a_set_aside_epoch_comes_back_if_its_successor_is_damaged) {
    EmbeddedLog log = open();
    seal_small(log, 1);
    ASSERT_TRUE(log.publish(kId));
    seal_small(log, 2);
    fs::rename(directory_ + "/" + kIdText, staging_ + "/" + kIdText + ".replaced");
    fs::resize_file(fs::path(staging_) / kIdText / kManifestFile, 100);
    expect_published(open(), 1);
    EXPECT_TRUE(fs::is_empty(staging_));
}

TEST_F(EmbeddedLogTest, removes_for_good) {
    EmbeddedLog log = open();
    ASSERT_TRUE(log.remove(kId));
    seal_small(log, 1);
    ASSERT_TRUE(log.publish(kId));
    seal_small(log, 2);
    auto reader = log.read(kId, 0);
    ASSERT_TRUE(reader);
    ASSERT_TRUE(log.remove(kId));
    EXPECT_FALSE(log.is_published(kId));
    EXPECT_FALSE(log.is_sealed(kId));
    EXPECT_TRUE(fs::is_empty(directory_));
    EXPECT_TRUE(fs::is_empty(staging_));
    model::RowBatch batch;  // a reader that was open reads on
    EXPECT_TRUE((*reader)->next(batch));
    EXPECT_TRUE(same_rows(batch, written_[1][0]));

    fs::create_directories(staging_ + "/" + kIdText + ".removed");
    open();
    EXPECT_TRUE(fs::is_empty(staging_));
}

TEST_F(EmbeddedLogTest, every_damaged_byte_and_every_cut_of_the_rows_is_noticed) {
    for (const bool deflate : {false, true}) {
        EmbeddedLog log = open(deflate);
        ASSERT_TRUE(log.remove(kId));
        seal_small(log, 1);
        ASSERT_TRUE(log.publish(kId));
        const std::string path = directory_ + "/" + kIdText + "/rows-000000.avro";
        const std::string good = *io::read_file(path);
        const auto expect_damaged = [&](const std::string& bytes) {
            std::ofstream(path, std::ios::binary) << bytes;
            auto reader = log.read(kId, 0);
            if (!reader) {
                EXPECT_EQ(reader.error().code, "log_damaged");
                return;
            }
            model::RowBatch batch;
            const auto more = (*reader)->next(batch);
            ASSERT_FALSE(more);
            EXPECT_EQ(more.error().code, "log_damaged");
            EXPECT_TRUE(batch.empty());
        };
        for (size_t at = 0; at < good.size(); ++at) {
            std::string flipped = good;
            flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
            expect_damaged(flipped);
            if (!deflate) {
                expect_damaged(good.substr(0, at));
            }
        }
        expect_damaged(good + good.back());
    }
}

TEST_F(EmbeddedLogTest, a_damaged_manifest_can_be_replaced_by_the_same_epoch) {
    EmbeddedLog log = open();
    seal_small(log, 1);
    ASSERT_TRUE(log.publish(kId));
    fs::resize_file(fs::path(directory_) / kIdText / kManifestFile, 50);
    EXPECT_EQ(log.manifest(kId).error().code, "log_damaged");
    EXPECT_EQ(log.read(kId, 0).error().code, "log_damaged");
    seal_small(log, 1);
    ASSERT_TRUE(log.publish(kId));
    expect_published(log, 1);
}

// Files may not grow beyond `bytes` while it lives; io/ takes that for a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        signal_before_ = std::signal(SIGXFSZ, SIG_IGN);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, signal_before_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*signal_before_)(int) = nullptr;
};

TEST_F(EmbeddedLogTest, a_full_disk_is_said_and_the_writer_takes_no_more_rows) {
    EmbeddedLog log = open();
    auto writer = log.begin(kId, 1);
    ASSERT_TRUE(writer);
    avro::RandomBatches random(8);
    {
        const FileSizeLimit limit(1'000'000);
        EXPECT_EQ((*writer)->append(random.usual(20'000, 1)).error().code, "storage_full");
    }
    EXPECT_EQ((*writer)->append(random.usual(1, 30'000)).error().code, "log_writer_dead");
    EXPECT_EQ((*writer)->seal().error().code, "log_writer_dead");
    EXPECT_EQ(log.publish(kId).error().code, "log_not_sealed");
    ASSERT_TRUE(log.remove(kId));
    EXPECT_TRUE(fs::is_empty(staging_));
}

// A child process publishes and is killed on the way, as a power cut would; then a restart.
TEST_F(EmbeddedLogTest, killed_while_publishing_leaves_one_whole_epoch) {
    for (const char* at : {"publish_before_rename", "publish_after_rename"}) {
        for (const uint32_t epoch : {1U, 2U}) {
            SCOPED_TRACE(at);
            fs::remove_all(scratch_);
            EmbeddedLog log = open();
            if (epoch == 2) {
                seal_small(log, 1);
                ASSERT_TRUE(log.publish(kId));
            }
            seal_small(log, epoch);
            const auto publish_and_die = [&] {
                ::setenv("ROUNDHOUSE_KILL_AT", at, 1);
                arm_kill_point_from_environment();
                (void)log.publish(kId);  // does not return
                std::exit(0);
            };
            EXPECT_EXIT(publish_and_die(), testing::KilledBySignal(SIGKILL), "");
            EmbeddedLog restarted = open();
            // Nothing visible: only before the very first rename.
            EXPECT_EQ(restarted.is_published(kId),
                      epoch == 2 || at == std::string_view("publish_after_rename"));
            ASSERT_TRUE(restarted.publish(kId));
            expect_published(restarted, epoch);
            EXPECT_EQ(visible_avro_files().size(), 1U);
            EXPECT_TRUE(fs::is_empty(staging_));
        }
    }
}

}  // namespace
}  // namespace rh::log
