#include "sink/versions.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "sink/store_for_test.h"
#include "uploads/ledger.h"

namespace rh::sink {
namespace {

class LedgerVersionsTest : public StoreTest {
  protected:
    void SetUp() override {
        ASSERT_EQ(ask("TRUNCATE TABLE uploads", {}), "");
        ledger_ = open_ledger("first");
    }
    std::unique_ptr<uploads::Ledger> open_ledger(const std::string& name) {
        const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
        auto opened = uploads::Ledger::open(directory + "/" + test->name() + name);
        EXPECT_TRUE(opened) << opened.error().message;
        return std::move(*opened);
    }
    static uploads::Upload make_storing(uploads::Ledger& ledger, uint8_t n,
                                        std::optional<model::UploadId> replaces = {}) {
        uploads::Upload upload;
        upload.id.bytes.fill(n);
        upload.sha256 = std::to_string(n);
        upload.request.filename = "rounds.csv";
        upload.request.replaces = replaces;
        auto created = ledger.create(upload);
        EXPECT_TRUE(created) << created.error().message;
        upload = created->upload;
        upload.state = uploads::State::storing;
        EXPECT_TRUE(ledger.update(upload, uploads::State::validating));
        return upload;
    }
    static std::string code_of(const auto& result) { return result ? "" : result.error().code; }

    std::unique_ptr<uploads::Ledger> ledger_;
};

TEST_F(LedgerVersionsTest, ANumberThatWasGivenUpIsItsOwn) {
    LedgerVersions versions(*store, *ledger_);
    const auto original = make_storing(*ledger_, 1);
    ASSERT_EQ(code_of(versions.commit_stored(original, -1)), "");
    const auto correction = make_storing(*ledger_, 2, original.id);
    EXPECT_EQ(ledger_->reserve_version(correction.id).value(), 2U);
    ASSERT_EQ(code_of(versions.withdraw(correction.id)), "");
    EXPECT_EQ(ledger_->current_version().value(), 1U);
    // The row of what was to be replaced was written under it.
    EXPECT_EQ(ask("SELECT max(revision) FROM uploads WHERE upload_id = {id:UUID}", original.id),
              "2");
    EXPECT_EQ(code_of(versions.check_tables()), "");
    ASSERT_EQ(code_of(versions.commit_stored(correction, -1)), "");
    EXPECT_EQ(ledger_->find(original.id).value()->voided_version, 3U);
}

TEST_F(LedgerVersionsTest, ANumberThatACrashLeftOpenIsItsOwn) {
    LedgerVersions versions(*store, *ledger_);
    const auto original = make_storing(*ledger_, 1);
    ASSERT_EQ(code_of(versions.commit_stored(original, -1)), "");
    const auto correction = make_storing(*ledger_, 2, original.id);
    EXPECT_EQ(ledger_->reserve_version(correction.id).value(), 2U);
    for (const auto& id : {original.id, correction.id}) {  // as both rows are written, and no more
        const std::string stored = id == original.id ? "1" : "2";
        const std::string voided = id == original.id ? "2" : "18446744073709551615";
        ASSERT_EQ(ask("INSERT INTO uploads (upload_id, stored_version, voided_version, revision) "
                      "VALUES ({id:UUID}, " +
                          stored + ", " + voided + ", 2)",
                      id),
                  "");
    }
    EXPECT_EQ(code_of(versions.check_tables()), "");
    EXPECT_EQ(versions.recover().value(), correction.id);
    ASSERT_EQ(code_of(versions.commit_stored(correction, -1)), "");
    EXPECT_EQ(ledger_->current_version().value(), 2U);
}

TEST_F(LedgerVersionsTest, WhatAnotherLedgerMadeIsRefused) {
    LedgerVersions versions(*store, *ledger_);
    ASSERT_EQ(code_of(versions.commit_stored(make_storing(*ledger_, 1), -1)), "");
    const auto second = open_ledger("second");
    LedgerVersions others(*store, *second);
    EXPECT_EQ(code_of(others.check_tables()), "other_ledger");
    EXPECT_EQ(code_of(versions.check_tables()), "");
}

TEST_F(LedgerVersionsTest, AnOldCopyOfTheLedgerIsRefused) {
    LedgerVersions versions(*store, *ledger_);
    const auto upload = make_storing(*ledger_, 1);
    const auto copy = open_ledger("copy");
    ASSERT_EQ(code_of(LedgerVersions(*store, *copy).commit_stored(make_storing(*copy, 1), -1)), "");
    ASSERT_EQ(code_of(versions.commit_stored(upload, -1)), "");  // the same one in the same version
    ASSERT_EQ(code_of(versions.commit_voided(upload.id)), "");
    EXPECT_EQ(code_of(LedgerVersions(*store, *copy).check_tables()), "other_ledger");
}

}  // namespace
}  // namespace rh::sink
