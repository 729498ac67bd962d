#include "publish/publisher.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kill_point.h"
#include "base/test_directory.h"
#include "io/file.h"
#include "log/embedded_log.h"
#include "uploads/original.h"
#include "uploads/reject_file.h"

namespace rh::publish {
namespace {

namespace fs = std::filesystem;
using uploads::State;
using uploads::Upload;

constexpr std::string_view kHeader =
    "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
    "real_amount_win,bonus_amount_win,game_name,provider\n";

// `rows` rounds of 0.05 each; every `bad_every`-th has no date (0: none).
std::string rounds(uint64_t rows, uint64_t bad_every = 0) {
    std::string text(kHeader);
    for (uint64_t i = 1; i <= rows; ++i) {
        const bool bad = bad_every != 0 && i % bad_every == 0;
        text += (bad ? "yesterday" : "2019-10-22 08:20:41") + std::string(",") +
                std::to_string(20'000 + i) + ",player" + std::to_string(i % 1009) +
                ",1000,0.05,,1.000001,NaN,Book,Play'n GO\n";
    }
    return text;
}

struct Policy {
    bool abort = false;
    std::optional<uint64_t> errors_max = {};
    bool dry_run = false;
};

uploads::Request policy(const Policy& wanted) {
    uploads::Request request;
    request.abort_on_error = wanted.abort;
    request.errors_max = wanted.errors_max;
    request.dry_run = wanted.dry_run;
    return request;
}

// What a process has open while it works on one data directory.
struct Station {
    explicit Station(const std::string& directory, uint64_t free_bytes_min = 0)
        : layout(uploads::Layout::open(directory).value()),
          ledger(uploads::Ledger::open(uploads::Layout::ledger_path(directory)).value()),
          log(log::EmbeddedLog::open(directory + "/log", false).value()),
          publisher(*layout, *ledger, board, log, free_bytes_min) {}
    std::unique_ptr<uploads::Layout> layout;
    std::unique_ptr<uploads::Ledger> ledger;
    uploads::ProgressBoard board;
    log::EmbeddedLog log;
    Publisher publisher;
};

class PublisherTest : public ::testing::Test {
  protected:
    void SetUp() override { station_.emplace(directory_); }

    model::UploadId put(std::string_view body, const uploads::Request& request = {}) {
        Upload upload;
        upload.id.bytes[0] = ++number_;
        upload.request = request;
        upload.bytes = body.size();
        upload.sha256 = std::to_string(number_);
        EXPECT_TRUE(io::make_directories(station_->layout->directory(upload.id)));
        auto writer =
            uploads::OriginalWriter::create(station_->layout->original(upload.id)).value();
        EXPECT_TRUE(writer.write(body));
        EXPECT_TRUE(writer.finish());
        EXPECT_TRUE(station_->ledger->create(upload));
        return upload.id;
    }
    Upload find(const model::UploadId& id) { return station_->ledger->find(id).value().value(); }
    State run(const model::UploadId& id) {
        const auto state = station_->publisher.run(id);
        EXPECT_TRUE(state) << state.error().code << ": " << state.error().message;
        return state.value_or(State::failed);
    }
    std::vector<uint64_t> row_numbers(const model::UploadId& id) {
        auto reader = station_->log.read(id, 0).value();
        std::vector<uint64_t> rows;
        model::RowBatch batch;
        while (reader->next(batch).value()) {
            rows.insert(rows.end(), batch.row_number.begin(), batch.row_number.end());
        }
        return rows;
    }
    size_t reject_count(const model::UploadId& id) {
        auto reader = uploads::RejectReader::open(station_->layout->rejects(id), 0).value();
        std::vector<uploads::StoredReject> page;
        EXPECT_TRUE(reader.next(1'000'000, page));
        return page.size();
    }

    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
    std::optional<Station> station_;
    uint8_t number_ = 0;
};

TEST_F(PublisherTest, LeavesTheSpaceAloneThatMustStayFree) {
    station_.reset();
    station_.emplace(directory_, UINT64_MAX);
    const auto id = put(rounds(100'000, 2));
    const auto state = station_->publisher.run(id);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, "storage_full");
    EXPECT_EQ(state.error().verdict, Verdict::retry);
    EXPECT_FALSE(io::exists(station_->layout->rejects(id)));
    EXPECT_FALSE(station_->log.manifest(id));
    EXPECT_EQ(find(id).state, State::validating);
    station_.reset();
    station_.emplace(directory_);
    EXPECT_EQ(run(id), State::storing);
    EXPECT_EQ(reject_count(id), 50'000U);
}

TEST_F(PublisherTest, PublishesEveryGoodRowAndListsEveryBadOne) {
    constexpr uint64_t kRows = 150'000;
    const auto id = put(rounds(kRows, 1'000));
    EXPECT_EQ(run(id), State::storing);
    const Upload upload = find(id);
    EXPECT_EQ(upload.state, State::storing);
    EXPECT_EQ(upload.rows.read, kRows);
    EXPECT_EQ(upload.rows.rejected, 150U);
    EXPECT_EQ(upload.rows.accepted, kRows - 150);
    EXPECT_EQ(upload.totals.rows, kRows - 150);
    EXPECT_EQ(upload.totals.sums[0].micros, 50'000 * __int128{kRows - 150});
    EXPECT_EQ(upload.totals.sums[2].micros, 1'000'001 * __int128{kRows - 150});
    EXPECT_EQ(upload.empty_amounts[1], kRows - 150);
    EXPECT_EQ(upload.faults.at("bad_timestamp"), 150U);
    EXPECT_EQ(station_->publisher.rows_rejected(), 150U);
    EXPECT_EQ(station_->publisher.faults(model::RejectCode::bad_timestamp), 150U);
    EXPECT_EQ(station_->publisher.faults(model::RejectCode::bad_decimal), 0U);
    EXPECT_TRUE(upload.warnings.empty());
    EXPECT_EQ(reject_count(id), 150U);
    const auto rows = row_numbers(id);
    ASSERT_EQ(rows.size(), kRows - 150);
    uint64_t expected = 0;
    for (const uint64_t row : rows) {
        expected += (expected + 1) % 1'000 == 0 ? 2 : 1;
        ASSERT_EQ(row, expected);
    }
    EXPECT_EQ(run(id), State::storing);  // nothing more to do
    EXPECT_FALSE(fs::exists(station_->layout->directory(id) + "/ids.tmp"));
}

TEST_F(PublisherTest, PoliciesRefuseAndPublishNothing) {
    const std::string body = rounds(100, 10);
    const auto refused_as = [&](const uploads::Request& request, std::string_view text) {
        const auto id = put(text, request);
        EXPECT_EQ(run(id), State::refused);
        EXPECT_FALSE(station_->log.is_published(id) || station_->log.is_sealed(id));
        EXPECT_TRUE(find(id).finished_at);
        EXPECT_EQ(reject_count(id), find(id).rows.rejected);
        return find(id).error_code;
    };
    EXPECT_EQ(refused_as(policy({.abort = true}), body), "rejects_found");
    EXPECT_EQ(refused_as(policy({.errors_max = 9}), body), "too_many_rejects");
    EXPECT_EQ(refused_as({}, rounds(10, 1)), "no_accepted_rows");
    EXPECT_EQ(run(put(body, policy({.errors_max = 10}))), State::storing);
    EXPECT_EQ(run(put(rounds(10), policy({.abort = true}))), State::storing);
}

TEST_F(PublisherTest, ADryRunReportsAndPublishesNothing) {
    const auto id = put(rounds(100, 10), policy({.abort = true, .dry_run = true}));
    EXPECT_EQ(run(id), State::checked);
    EXPECT_EQ(find(id).rows.rejected, 10U);
    EXPECT_EQ(reject_count(id), 10U);
    ASSERT_EQ(find(id).warnings.size(), 1U);
    EXPECT_EQ(find(id).warnings[0].code, "would_be_refused");
    EXPECT_TRUE(station_->log.uploads()->empty());
}

TEST_F(PublisherTest, WarnsOfIdsThatOccurTwice) {
    const std::string row = "2019-10-22 08:20:41,7,p,1,1,1,1,1,g,v\n";
    const auto id = put(rounds(10) + row + row + row);
    EXPECT_EQ(run(id), State::storing);
    ASSERT_EQ(find(id).warnings.size(), 1U);
    EXPECT_EQ(find(id).warnings[0].code, "duplicate_game_instance_id");
    EXPECT_EQ(find(id).warnings[0].count, 1U);
    EXPECT_NE(find(id).warnings[0].detail.find("for example 7"), std::string::npos);
    EXPECT_EQ(find(id).rows.accepted, 13U);
}

TEST_F(PublisherTest, ADamagedOriginalFailsTheUpload) {
    const auto id = put(rounds(1'000));
    std::string bytes = io::read_file(station_->layout->original(id)).value();
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    std::ofstream(station_->layout->original(id), std::ios::binary) << bytes;
    EXPECT_EQ(run(id), State::failed);
    EXPECT_EQ(find(id).error_code, "original_damaged");
    EXPECT_TRUE(station_->log.uploads()->empty());
    const auto gone = put(rounds(1));
    ASSERT_TRUE(io::remove_file(station_->layout->original(gone)));
    EXPECT_EQ(run(gone), State::failed);
    EXPECT_EQ(find(gone).error_code, "original_missing");
}

TEST_F(PublisherTest, ACancelledUploadLeavesNoRows) {
    const auto waiting = put(rounds(10));
    EXPECT_EQ(station_->publisher.cancel(waiting)->state, State::cancelled);
    EXPECT_EQ(run(waiting), State::cancelled);
    EXPECT_EQ(station_->publisher.cancel(waiting).error().code, "upload_finished");
    EXPECT_EQ(station_->publisher.cancel({}).error().code, "upload_not_found");

    const std::string body = rounds(200'000);
    for (int round = 0; round < 5; ++round) {
        const auto id = put(body);
        std::jthread worker([&] { run(id); });
        const auto change = station_->board.wait_for_change(id, 0, std::chrono::seconds(60));
        ASSERT_TRUE(change);
        const auto cancelled = station_->publisher.cancel(id);
        worker.join();
        ASSERT_TRUE(cancelled) << cancelled.error().message;
        EXPECT_EQ(find(id).state, State::cancelled);
        EXPECT_FALSE(station_->log.is_published(id) || station_->log.is_sealed(id));
        // Sent again at once, it is judged anew.
        ASSERT_TRUE(station_->ledger->create(find(id))->created);
        EXPECT_EQ(run(id), State::storing);
        EXPECT_EQ(row_numbers(id).size(), 200'000U);
    }
}

TEST_F(PublisherTest, AFullDiskKeepsTheUploadForLaterAndFreesTheHalfWrittenLog) {
    const auto id = put(rounds(200'000));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto state = station_->publisher.run(id);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().kind, ErrorKind::storage_full);
    EXPECT_EQ(find(id).state, State::validating);
    EXPECT_TRUE(fs::is_empty(directory_ + "/log-staging"));
    EXPECT_EQ(run(id), State::storing);
    EXPECT_EQ(row_numbers(id).size(), 200'000U);
}

TEST_F(PublisherTest, AStoppedRunGoesOnAtTheNextStart) {
    const auto id = put(rounds(1'000));
    station_->publisher.stop();
    EXPECT_EQ(station_->publisher.run(id).error().code, "stopping");
    EXPECT_EQ(find(id).state, State::validating);
    station_.reset();
    station_.emplace(directory_);
    EXPECT_EQ(run(id), State::storing);
}

TEST_F(PublisherTest, ALostLogIsMadeAgainFromTheOriginal) {
    const auto id = put(rounds(1'000));
    EXPECT_EQ(run(id), State::storing);
    ASSERT_TRUE(station_->log.remove(id));
    Upload upload = find(id);
    upload.state = State::publishing;
    ASSERT_TRUE(station_->ledger->update(upload, State::storing));
    EXPECT_EQ(run(id), State::storing);
    EXPECT_EQ(row_numbers(id).size(), 1'000U);

    upload = find(id);  // as the sink's repair does
    upload.state = State::validating;
    ++upload.epoch;
    ASSERT_TRUE(station_->ledger->update(upload, State::storing));
    EXPECT_EQ(run(id), State::storing);
    EXPECT_EQ(station_->log.manifest(id)->epoch, 2U);
}

TEST_F(PublisherTest, OrphansOfTheLogAreRemovedAtStart) {
    const auto kept = put(rounds(10));
    const auto orphan = put(rounds(10));
    EXPECT_EQ(run(kept), State::storing);
    EXPECT_EQ(run(orphan), State::storing);
    Upload upload = find(orphan);
    upload.state = State::cancelled;
    ASSERT_TRUE(station_->ledger->update(upload, State::storing));
    ASSERT_TRUE(station_->publisher.remove_orphans());
    EXPECT_TRUE(station_->log.is_published(kept));
    EXPECT_FALSE(station_->log.is_published(orphan));
}

// A child dies at each named place; the next process comes to the same end.
TEST_F(PublisherTest, KilledAnywhereARunAgainGivesTheSame) {
    const std::string body = rounds(150'000, 500);
    const auto whole = put(body);
    EXPECT_EQ(run(whole), State::storing);
    for (const char* at : {"validate_middle", "validate_middle:2", "validate_before_seal",
                           "publish_before_rename", "publish_after_rename"}) {
        SCOPED_TRACE(at);
        const auto id = put(body);
        station_.reset();
        const pid_t child = ::fork();
        if (child == 0) {
            ::setenv("ROUNDHOUSE_KILL_AT", at, 1);
            Station station(directory_);
            const bool armed = arm_kill_point_from_environment();
            const auto ended = station.publisher.run(id);
            ::_exit(armed && ended ? 1 : 2);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the kill point was not passed";
        station_.emplace(directory_);
        ASSERT_TRUE(station_->publisher.remove_orphans());
        EXPECT_EQ(run(id), State::storing);
        EXPECT_EQ(find(id).rows, find(whole).rows);
        EXPECT_EQ(find(id).totals, find(whole).totals);
        EXPECT_EQ(row_numbers(id), row_numbers(whole));
        EXPECT_EQ(io::read_file(station_->layout->rejects(id)).value(),
                  io::read_file(station_->layout->rejects(whole)).value());
    }
}

}  // namespace
}  // namespace rh::publish
