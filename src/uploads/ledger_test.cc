#include "uploads/ledger.h"

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/test_directory.h"

namespace rh::uploads {
namespace {

class LedgerTest : public ::testing::Test {
  protected:
    void SetUp() override { reopen(); }

    void reopen() {
        ledger_.reset();
        auto opened = Ledger::open(directory_ + "/ledger.sqlite");
        ASSERT_TRUE(opened) << opened.error().message;
        ledger_ = std::move(*opened);
    }

    static Upload sample(uint8_t number, const std::string& sha256 = "aa") {
        Upload upload;
        upload.id.bytes[0] = number;
        upload.id.bytes[15] = 7;
        upload.sha256 = sha256 + std::to_string(number);
        upload.bytes = 1'000;
        upload.created_at = 1'000 + number;
        upload.trace_id = "t";
        upload.request.filename = "rounds.csv";
        return upload;
    }
    Upload make(const Upload& upload, State state) {
        auto created = ledger_->create(upload);
        EXPECT_TRUE(created) << created.error().message;
        Upload changed = created->upload;
        changed.state = state;
        const auto updated = ledger_->update(changed, State::validating);
        EXPECT_TRUE(updated) << updated.error().message;
        return changed;
    }
    Upload make_stored(const Upload& upload) {
        Upload stored = make(upload, State::storing);
        stored.stored_version = ledger_->reserve_version(upload.id).value();
        stored.finished_at = 5'000;
        EXPECT_TRUE(ledger_->commit_stored(stored));
        return ledger_->find(upload.id).value().value();
    }

    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
    std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerTest, KeepsEveryFieldOverAReopen) {
    const Upload replaced = make_stored(sample(9));
    Upload upload = sample(1);
    upload.request = {.filename = "a \"b\" ü.csv",
                      .encoding = csv::Encoding::utf16be,
                      .encoding_detected = false,
                      .bom = true,
                      .csv = {.delimiter = '\t',
                              .timezone_offset_minutes = -330,
                              .empty_amount_is_reject = true,
                              .allow_negative = true},
                      .abort_on_error = true,
                      .errors_max = 17,
                      .dry_run = false,
                      .label = "second time",
                      .replaces = replaced.id};
    Upload changed = ledger_->create(upload).value().upload;
    changed.state = State::publishing;
    changed.rows = {.read = 10, .accepted = 7, .rejected = 3, .blank = 2};
    changed.totals.rows = 7;
    changed.totals.sums[0].micros = static_cast<__int128>(INT64_MAX) * 1'000;  // past 64 bits
    changed.totals.sums[3].micros = -1;
    changed.empty_amounts = {1, 2, 3, 4};
    changed.ignored_columns = {"zeta", "alpha", "line\nbreak"};
    changed.faults = {{"bad_decimal", 2}, {"missing_value", 1}};
    changed.created_ms_min = 5;
    changed.created_ms_max = 6;
    changed.epoch = 3;
    changed.checkpoint_cell = 4;
    changed.finished_at = 77;
    changed.error_code = "c";
    changed.error_message = "m";
    changed.warnings = {{.code = "w", .detail = "d", .count = 2, .upload_id = "other"}};
    ASSERT_TRUE(ledger_->update(changed, State::validating));
    reopen();
    const Upload found = ledger_->find(upload.id).value().value();
    EXPECT_EQ(found.state, State::publishing);
    EXPECT_EQ(found.request.filename, upload.request.filename);
    EXPECT_EQ(found.request.encoding, csv::Encoding::utf16be);
    EXPECT_FALSE(found.request.encoding_detected);
    EXPECT_TRUE(found.request.bom);
    EXPECT_EQ(found.request.csv.delimiter, '\t');
    EXPECT_EQ(found.request.csv.timezone_offset_minutes, -330);
    EXPECT_TRUE(found.request.csv.empty_amount_is_reject);
    EXPECT_TRUE(found.request.csv.allow_negative);
    EXPECT_TRUE(found.request.abort_on_error);
    EXPECT_EQ(found.request.errors_max, 17U);
    EXPECT_FALSE(found.request.dry_run);
    EXPECT_EQ(found.request.label, "second time");
    EXPECT_EQ(found.request.replaces, replaced.id);
    EXPECT_EQ(found.bytes, upload.bytes);
    EXPECT_EQ(found.sha256, upload.sha256);
    EXPECT_EQ(found.trace_id, "t");
    EXPECT_EQ(found.created_at, upload.created_at);
    EXPECT_EQ(found.rows, changed.rows);
    EXPECT_EQ(found.totals, changed.totals);
    EXPECT_EQ(found.empty_amounts, changed.empty_amounts);
    EXPECT_EQ(found.ignored_columns, changed.ignored_columns);
    EXPECT_EQ(found.faults, changed.faults);
    EXPECT_EQ(found.created_ms_min, 5);
    EXPECT_EQ(found.created_ms_max, 6);
    EXPECT_EQ(found.epoch, 3U);
    EXPECT_EQ(found.checkpoint_cell, 4U);
    EXPECT_EQ(found.finished_at, 77);
    EXPECT_EQ(found.error_code, "c");
    EXPECT_EQ(found.error_message, "m");
    ASSERT_EQ(found.warnings.size(), 1U);
    EXPECT_EQ(found.warnings[0].detail, "d");
    EXPECT_EQ(found.warnings[0].count, 2U);
    EXPECT_EQ(found.warnings[0].upload_id, "other");
}

TEST_F(LedgerTest, OneOfManySimultaneousCreatesWins) {
    constexpr int kThreads = 8;
    std::atomic<int> created = 0;
    {
        std::vector<std::jthread> threads;
        threads.reserve(kThreads);
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                for (uint8_t number = 1; number <= 20; ++number) {
                    created += ledger_->create(sample(number)).value().created ? 1 : 0;
                }
            });
        }
    }
    EXPECT_EQ(created, 20);
}

TEST_F(LedgerTest, EndedUploadsStartAgainAndLivingOnesDoNot) {
    const std::set<State> again = {State::failed, State::refused, State::cancelled, State::checked};
    uint8_t number = 1;
    for (const State state : {State::publishing, State::storing, State::failed, State::refused,
                              State::cancelled, State::checked}) {
        Upload upload = make(sample(number), state);
        ASSERT_TRUE(ledger_->add_warnings(upload.id, {{"w", "", 1, ""}}));
        const auto created = ledger_->create(sample(number)).value();
        EXPECT_EQ(created.created, again.contains(state)) << name(state);
        EXPECT_EQ(created.upload.state, created.created ? State::validating : state);
        EXPECT_EQ(ledger_->find(upload.id).value()->warnings.empty(), created.created);
        ++number;
    }
    const Upload stored = make_stored(sample(number));
    EXPECT_FALSE(ledger_->create(sample(number)).value().created);
}

TEST_F(LedgerTest, ACancelAndAWorkerCannotBothWin) {
    for (uint8_t number = 1; number <= 40; ++number) {
        const Upload upload = ledger_->create(sample(number)).value().upload;
        std::atomic<int> won = 0;
        const auto change = [&](State to) {
            Upload changed = upload;
            changed.state = to;
            const auto updated = ledger_->update(changed, State::validating);
            won += updated ? 1 : 0;
            EXPECT_TRUE(updated || updated.error().code == "upload_changed");
        };
        {
            const std::jthread cancel([&] { change(State::cancelled); });
            const std::jthread worker([&] { change(State::publishing); });
        }
        EXPECT_EQ(won, 1);
    }
}

TEST_F(LedgerTest, TheSameBytesWithOtherOptionsAreAConflictThatNamesThem) {
    Upload first = sample(1);
    first.sha256 = "same";
    ASSERT_TRUE(ledger_->create(first));
    Upload second = sample(2);
    second.sha256 = "same";
    second.request.csv.delimiter = ';';
    second.request.csv.timezone_offset_minutes = 120;
    const auto conflict = ledger_->create(second);
    ASSERT_FALSE(conflict);
    EXPECT_EQ(conflict.error().code, "same_file_other_options");
    EXPECT_NE(conflict.error().message.find("delimiter (semicolon here, comma there)"),
              std::string::npos);
    EXPECT_NE(conflict.error().message.find("timezone (+02:00 here, +00:00 there)"),
              std::string::npos);
    EXPECT_EQ(conflict.error().message.find("encoding ("), std::string::npos);
    EXPECT_EQ(ledger_->find_same_bytes("same", "", second.id).value()->id, first.id);

    Upload labelled = second;
    labelled.request.label = "again";
    EXPECT_TRUE(ledger_->create(labelled).value().created);
    Upload dry = sample(3);
    dry.sha256 = "same";
    dry.request.dry_run = true;
    EXPECT_TRUE(ledger_->create(dry).value().created);
    EXPECT_TRUE(make(dry, State::checked).request.dry_run);

    Upload ended = ledger_->find(first.id).value().value();
    ended.state = State::failed;
    ASSERT_TRUE(ledger_->update(ended, State::validating));
    EXPECT_FALSE(ledger_->find_same_bytes("same", "", second.id).value());
}

TEST_F(LedgerTest, OfTwoOptionsOfOneFileSentAtOnceOneIsCreated) {
    for (uint8_t round = 1; round <= 20; ++round) {
        std::atomic<int> created = 0;
        {
            std::vector<std::jthread> threads;
            threads.reserve(4);
            for (uint8_t variant = 0; variant < 4; ++variant) {
                threads.emplace_back([&, variant] {
                    Upload upload = sample(round);
                    upload.id.bytes[1] = variant;
                    upload.request.csv.timezone_offset_minutes = variant * 60;
                    created += ledger_->create(upload) ? 1 : 0;
                });
            }
        }
        EXPECT_EQ(created, 1);
    }
}

TEST_F(LedgerTest, VersionsAreReservedOnceAndCommitted) {
    EXPECT_EQ(ledger_->current_version().value(), 0U);
    const Upload one = make(sample(1), State::storing);
    const Upload two = make(sample(2), State::storing);
    EXPECT_EQ(ledger_->reserve_version(one.id).value(), 1U);
    EXPECT_EQ(ledger_->reserve_version(one.id).value(), 1U);
    EXPECT_EQ(ledger_->reserve_version(two.id).error().code, "version_reserved");
    EXPECT_EQ(ledger_->current_version().value(), 0U);
    reopen();
    EXPECT_EQ(ledger_->open_reservation().value()->upload_id, one.id);
    EXPECT_EQ(ledger_->open_reservation().value()->version, 1U);

    // What is being stored can neither be cancelled nor removed.
    Upload cancelled = one;
    cancelled.state = State::cancelled;
    EXPECT_EQ(ledger_->update(cancelled, State::storing).error().code, "upload_changed");
    EXPECT_EQ(ledger_->remove(one.id).error().code, "upload_stored");

    ASSERT_TRUE(ledger_->release_reservation(one.id));
    EXPECT_EQ(ledger_->reserve_version(two.id).value(), 2U);
    Upload stored = two;
    stored.stored_version = 1;
    EXPECT_EQ(ledger_->commit_stored(stored).error().code, "version_not_reserved");
    stored.stored_version = 2;
    stored.finished_at = 99;
    ASSERT_TRUE(ledger_->commit_stored(stored));
    ASSERT_TRUE(ledger_->commit_stored(stored));  // again changes nothing
    EXPECT_EQ(ledger_->current_version().value(), 2U);
    EXPECT_FALSE(ledger_->open_reservation().value());
    EXPECT_EQ(ledger_->find(two.id).value()->state, State::stored);
    EXPECT_EQ(ledger_->find(two.id).value()->finished_at, 99);

    EXPECT_EQ(ledger_->reserve_version(two.id).value(), 3U);
    ASSERT_TRUE(ledger_->commit_voided(two.id, 3));
    ASSERT_TRUE(ledger_->commit_voided(two.id, 3));
    EXPECT_EQ(ledger_->find(two.id).value()->voided_version, 3U);
    EXPECT_EQ(ledger_->current_version().value(), 3U);
    EXPECT_EQ(ledger_->reserve_version(two.id).error().code, "upload_changed");
}

TEST_F(LedgerTest, AReplacementVoidsTheOtherInTheSameVersion) {
    const Upload old = make_stored(sample(1));
    Upload correction = sample(2);
    correction.request.replaces = old.id;
    Upload rival = sample(3);
    rival.request.replaces = old.id;

    Upload stored = make(correction, State::storing);
    EXPECT_EQ(ledger_->create(rival).error().code, "not_replaceable");
    stored.stored_version = ledger_->reserve_version(stored.id).value();
    ASSERT_TRUE(ledger_->commit_stored(stored));
    EXPECT_EQ(ledger_->find(old.id).value()->voided_version, stored.stored_version);
    EXPECT_EQ(ledger_->find(old.id).value()->state, State::stored);
    EXPECT_EQ(ledger_->create(rival).error().code, "not_replaceable");  // voided

    rival.request.replaces = sample(200).id;
    EXPECT_EQ(ledger_->create(rival).error().code, "replaced_upload_not_found");
    rival.request.replaces = make(sample(4), State::failed).id;
    EXPECT_EQ(ledger_->create(rival).error().code, "not_replaceable");
    EXPECT_FALSE(ledger_->find(rival.id).value());
}

TEST_F(LedgerTest, TellsWhichVersionsCountEachStoredUpload) {
    const Upload voided = make_stored(sample(1));
    const Upload counted = make_stored(sample(2));
    make(sample(3), State::failed);
    make(sample(4), State::storing);
    const uint64_t at = ledger_->reserve_version(voided.id).value();
    ASSERT_TRUE(ledger_->commit_voided(voided.id, at));
    const auto found = ledger_->stored_versions().value();
    ASSERT_EQ(found.size(), 2U);
    for (const auto& upload : found) {
        const bool is_voided = upload.id == voided.id;
        EXPECT_EQ(upload.id, is_voided ? voided.id : counted.id);
        EXPECT_EQ(upload.stored, is_voided ? voided.stored_version : counted.stored_version);
        EXPECT_EQ(upload.voided, is_voided ? at : UINT64_MAX);
    }
}

TEST_F(LedgerTest, TellsTheAgeOfWhatWaitsAndWhenTheLastUploadWasStored) {
    EXPECT_EQ(ledger_->oldest_created_at(State::storing).value(), std::nullopt);
    EXPECT_EQ(ledger_->last_stored_at().value(), std::nullopt);
    Upload newer = sample(1);
    newer.created_at = 2'000;
    make(newer, State::storing);
    Upload older = sample(2);
    older.created_at = 1'000;
    make(older, State::storing);
    Upload oldest = sample(3);
    oldest.created_at = 500;
    make(oldest, State::publishing);
    EXPECT_EQ(ledger_->oldest_created_at(State::storing).value(), 1'000);
    const auto store = [&](Upload upload, uint64_t version, int64_t at) {
        upload.stored_version = version;
        upload.finished_at = at;
        ASSERT_TRUE(ledger_->commit_stored(upload, Ledger::Numbering::elsewhere));
    };
    store(older, 2, 9'000);
    EXPECT_EQ(ledger_->last_stored_at().value(), 9'000);
    store(newer, 1, 9'500);  // numbers made elsewhere may come in any order
    EXPECT_EQ(ledger_->last_stored_at().value(), 9'000);
    ASSERT_TRUE(ledger_->commit_voided(older.id, 3, Ledger::Numbering::elsewhere));
    EXPECT_EQ(ledger_->last_stored_at().value(), 9'000);
    EXPECT_EQ(ledger_->oldest_created_at(State::storing).value(), std::nullopt);
}

TEST_F(LedgerTest, LearnsWhatOthersStoredUnlessItIsOnItsWayHere) {
    Upload foreign = sample(1);
    foreign.state = State::stored;
    foreign.stored_version = 40;
    foreign.held_by = "another";
    foreign.rows = {.read = 3, .accepted = 2, .rejected = 1, .blank = 0};
    foreign.faults = {{"bad_decimal", 1}};
    make(sample(2), State::storing);
    make(sample(3), State::cancelled);
    std::vector<Upload> learned;
    for (uint8_t number = 1; number <= 3; ++number) {
        learned.push_back(foreign);
        learned.back().id = sample(number).id;
        learned.back().stored_version = 40 + number;
    }
    ASSERT_TRUE(ledger_->learn(learned));
    ASSERT_TRUE(ledger_->learn(learned));
    reopen();
    for (const auto number : {uint8_t{1}, uint8_t{3}}) {
        const Upload found = ledger_->find(sample(number).id).value().value();
        EXPECT_EQ(found.state, State::stored);
        EXPECT_EQ(found.stored_version, 40U + number);
        EXPECT_EQ(found.held_by, "another");
        EXPECT_EQ(found.rows, foreign.rows);
        EXPECT_EQ(found.faults, foreign.faults);
    }
    const Upload here = ledger_->find(sample(2).id).value().value();
    EXPECT_EQ(here.state, State::storing);
    EXPECT_EQ(here.held_by, "");
    EXPECT_FALSE(ledger_->create(foreign)->created);
    EXPECT_TRUE(ledger_->commit_voided(foreign.id, 50, Ledger::Numbering::elsewhere));
}

TEST_F(LedgerTest, ListsNewestFirstWithoutGapOrRepeat) {
    std::vector<model::UploadId> expected;
    for (uint8_t number = 30; number >= 1; --number) {
        Upload upload = sample(number);
        upload.created_at = 100 + number / 3;  // ties, broken by id
        ASSERT_TRUE(ledger_->create(upload));
        expected.push_back(upload.id);
    }
    std::vector<model::UploadId> seen;
    Ledger::ListFilter filter;
    filter.limit = 7;
    while (true) {
        const auto page = ledger_->list(filter).value();
        if (page.empty()) {
            break;
        }
        for (const Upload& upload : page) {
            seen.push_back(upload.id);
        }
        filter.after = {page.back().created_at, page.back().id};
    }
    EXPECT_EQ(seen, expected);

    make(sample(50), State::refused);
    EXPECT_EQ(ledger_->list({.state = State::refused, .filename = "", .sha256 = "", .after = {}})
                  .value()
                  .size(),
              1U);
    EXPECT_EQ(
        ledger_->list({.state = {}, .filename = "", .sha256 = "aa50", .after = {}}).value().size(),
        1U);
    EXPECT_EQ(
        *ledger_->count({.state = {}, .filename = "", .sha256 = "aa50", .limit = 1, .after = {}}),
        1U);
    EXPECT_EQ(*ledger_->count({.state = {}, .filename = "no.csv", .sha256 = "", .after = {}}), 0U);
    EXPECT_TRUE(
        ledger_->list({.state = {}, .filename = "no.csv", .sha256 = "", .after = {}})->empty());
    EXPECT_EQ(ledger_->unfinished()->size(), 30U);
    EXPECT_EQ(ledger_->count_by_state().value()[static_cast<size_t>(State::refused)], 1U);
}

TEST_F(LedgerTest, WarningsAreReplacedByKindAndOtherUpload) {
    const Upload upload = ledger_->create(sample(1)).value().upload;
    ASSERT_TRUE(ledger_->add_warnings(upload.id, {{"overlap", "3 rows", 3, "a"}}));
    ASSERT_TRUE(ledger_->add_warnings(upload.id,
                                      {{"overlap", "4 rows", 4, "a"}, {"overlap", "1", 1, "b"}}));
    const auto warnings = ledger_->find(upload.id).value()->warnings;
    ASSERT_EQ(warnings.size(), 2U);
    EXPECT_EQ(warnings[0].count, 4U);
    EXPECT_EQ(ledger_->add_warnings(sample(9).id, {}).error().code, "upload_not_found");
}

TEST_F(LedgerTest, RemovesWhatIsNotStoredAndNothingElse) {
    const Upload failed = make(sample(1), State::failed);
    const Upload stored = make_stored(sample(2));
    ASSERT_TRUE(ledger_->remove(failed.id));
    ASSERT_TRUE(ledger_->remove(failed.id));
    EXPECT_FALSE(ledger_->find(failed.id).value());
    EXPECT_EQ(ledger_->remove(stored.id).error().code, "upload_stored");
    const uint64_t version = ledger_->reserve_version(stored.id).value();
    ASSERT_TRUE(ledger_->commit_voided(stored.id, version));
    const Error voided = ledger_->remove(stored.id).error();
    EXPECT_EQ(voided.code, "upload_voided");
    EXPECT_NE(voided.message.find("out of the figures since version 2"), std::string::npos)
        << voided.message;
    EXPECT_NE(voided.message.find("because version 1 counts it"), std::string::npos)
        << voided.message;
    EXPECT_TRUE(ledger_->find(stored.id).value());
}

TEST_F(LedgerTest, RefusesAFileOfANewerProgram) {
    ledger_.reset();
    sqlite3* file = nullptr;
    ASSERT_EQ(sqlite3_open((directory_ + "/ledger.sqlite").c_str(), &file), SQLITE_OK);
    sqlite3_exec(file, "PRAGMA user_version = 1000", nullptr, nullptr, nullptr);
    sqlite3_close(file);
    const auto opened = Ledger::open(directory_ + "/ledger.sqlite");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "ledger_too_new");
}

}  // namespace
}  // namespace rh::uploads
