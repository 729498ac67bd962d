#include "uploads/portable.h"

#include <gtest/gtest.h>

namespace rh::uploads {
namespace {

Upload sample() {
    Upload upload;
    upload.id.bytes[0] = 1;
    upload.state = State::stored;
    upload.request.filename = "rounds \"1\".csv";
    upload.request.encoding = csv::Encoding::utf16le;
    upload.request.encoding_detected = false;
    upload.request.bom = true;
    upload.request.csv = {.delimiter = ';',
                          .timezone_offset_minutes = -90,
                          .empty_amount_is_reject = true,
                          .allow_negative = true};
    upload.request.abort_on_error = true;
    upload.request.errors_max = 7;
    upload.request.label = "again";
    upload.request.replaces.emplace();
    upload.request.replaces->bytes[5] = 5;
    upload.bytes = 464'000'000;
    upload.sha256 = "ab";
    upload.rows = {.read = 12, .accepted = 9, .rejected = 3, .blank = 1};
    upload.totals.rows = 9;
    upload.totals.sums[0].add(12'345'678);
    upload.totals.sums[3].add(-1);
    upload.empty_amounts = {1, 2, 3, 4};
    upload.ignored_columns = {"comment", "x"};
    upload.faults = {{"bad_decimal", 3}};
    upload.created_ms_min = 1'571'702'400'000;
    upload.created_ms_max = 1'571'702'400'001;
    upload.created_at = 1'700'000'000'000;
    upload.finished_at = 1'700'000'000'123;
    upload.warnings = {{.code = "overlapping_upload", .detail = "d", .count = 2, .upload_id = "u"}};
    upload.trace_id = "trace";
    return upload;
}

TEST(Portable, AnUploadIsReadAsItWasWritten) {
    const Upload written = sample();
    const auto read = parse_portable(portable_text(written));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->id, written.id);
    EXPECT_EQ(read->state, State::stored);
    EXPECT_EQ(read->request.filename, written.request.filename);
    EXPECT_EQ(read->request.encoding, written.request.encoding);
    EXPECT_EQ(read->request.csv.delimiter, ';');
    EXPECT_EQ(read->request.csv.timezone_offset_minutes, -90);
    EXPECT_TRUE(read->request.csv.empty_amount_is_reject);
    EXPECT_TRUE(read->request.csv.allow_negative);
    EXPECT_FALSE(read->request.encoding_detected);
    EXPECT_TRUE(read->request.bom);
    EXPECT_TRUE(read->request.abort_on_error);
    EXPECT_EQ(read->request.errors_max, 7U);
    EXPECT_EQ(read->request.label, "again");
    EXPECT_EQ(read->request.replaces, written.request.replaces);
    EXPECT_EQ(read->bytes, written.bytes);
    EXPECT_EQ(read->sha256, "ab");
    EXPECT_EQ(read->rows, written.rows);
    EXPECT_EQ(read->totals, written.totals);
    EXPECT_EQ(read->empty_amounts, written.empty_amounts);
    EXPECT_EQ(read->ignored_columns, written.ignored_columns);
    EXPECT_EQ(read->faults, written.faults);
    EXPECT_EQ(read->created_ms_min, written.created_ms_min);
    EXPECT_EQ(read->created_ms_max, written.created_ms_max);
    EXPECT_EQ(read->created_at, written.created_at);
    EXPECT_EQ(read->finished_at, written.finished_at);
    ASSERT_EQ(read->warnings.size(), 1U);
    EXPECT_EQ(read->warnings[0].code, "overlapping_upload");
    EXPECT_EQ(read->warnings[0].upload_id, "u");
    EXPECT_EQ(read->trace_id, "trace");
}

TEST(Portable, OneThatFailedSaysWhy) {
    Upload failed = sample();
    failed.state = State::failed;
    failed.error_code = "audit_mismatch";
    failed.error_message = "After 2 repairs …";
    failed.finished_at.reset();
    failed.request.replaces.reset();
    failed.request.errors_max.reset();
    const auto read = parse_portable(portable_text(failed));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->state, State::failed);
    EXPECT_EQ(read->error_code, failed.error_code);
    EXPECT_EQ(read->error_message, failed.error_message);
    EXPECT_FALSE(read->finished_at);
    EXPECT_FALSE(read->request.replaces);
    EXPECT_FALSE(read->request.errors_max);
}

TEST(Portable, WhatIsCutOrSomethingElseIsNone) {
    const std::string text = portable_text(sample());
    for (size_t cut = 0; cut < text.size(); ++cut) {
        EXPECT_FALSE(parse_portable(std::string_view(text).substr(0, cut))) << cut;
    }
    for (const char* other : {"", "null", "[]", "{}", R"({"id":7})"}) {
        EXPECT_FALSE(parse_portable(other)) << other;
    }
}

}  // namespace
}  // namespace rh::uploads
