#include "kafka_log/records.h"

#include <gtest/gtest.h>

namespace rh::kafka_log {
namespace {

model::UploadId id_of(uint8_t first) {
    model::UploadId id;
    id.bytes[0] = first;
    return id;
}

Published sample() {
    Published record;
    record.upload_id = id_of(7);
    record.epoch = 2;
    record.state = Published::State::complete;
    record.publisher = "node-1";
    record.written_ms = 1'700'000'000'123;
    record.last_row = 2'101'934;
    record.partitions.resize(2);
    record.partitions[1].totals.rows = 3;
    record.partitions[1].totals.sums[0].add(12'345'678);
    record.partitions[1].totals.sums[3].add(-1);
    record.partitions[1].first_offset = 10;
    record.partitions[1].last_offset = 15;
    record.totals = record.partitions[1].totals;
    return record;
}

TEST(ControlRecords, AreReadAsTheyWereWritten) {
    const Published written = sample();
    const auto read = parse_record(record_text(written));
    ASSERT_TRUE(read);
    const auto& published = std::get<Published>(*read);
    EXPECT_EQ(published.upload_id, written.upload_id);
    EXPECT_EQ(published.epoch, 2U);
    EXPECT_EQ(published.state, Published::State::complete);
    EXPECT_EQ(published.publisher, "node-1");
    EXPECT_EQ(published.written_ms, written.written_ms);
    EXPECT_EQ(published.last_row, written.last_row);
    EXPECT_EQ(published.totals, written.totals);
    ASSERT_EQ(published.partitions.size(), 2U);
    EXPECT_EQ(published.partitions[0].last_offset, -1);
    EXPECT_EQ(published.partitions[1].totals, written.totals);
    EXPECT_EQ(published.partitions[1].first_offset, 10);
    EXPECT_EQ(published.partitions[1].last_offset, 15);

    const Received received{
        .upload_id = id_of(1), .receiver = "node-1", .state = "refused", .upload = "{}"};
    const auto received_read = std::get<Received>(*parse_record(record_text(received)));
    EXPECT_EQ(received_read.upload_id, id_of(1));
    EXPECT_EQ(received_read.receiver, "node-1");
    EXPECT_EQ(received_read.state, "refused");
    EXPECT_EQ(received_read.upload, "{}");

    const Stored stored{.upload_id = id_of(1),
                        .receiver = "node-2",
                        .upload = "{\"id\":1}",
                        .replaces = id_of(2),
                        .row = "{\"a\":\"\\\"\"}",
                        .withdrawn_at = 7};
    const auto stored_read = parse_record(record_text(stored));
    ASSERT_TRUE(stored_read);
    EXPECT_EQ(std::get<Stored>(*stored_read).replaces, id_of(2));
    EXPECT_EQ(std::get<Stored>(*stored_read).row, stored.row);
    EXPECT_EQ(std::get<Stored>(*stored_read).receiver, stored.receiver);
    EXPECT_EQ(std::get<Stored>(*stored_read).upload, stored.upload);
    EXPECT_EQ(std::get<Stored>(*stored_read).withdrawn_at, 7);
    const auto withdrawn = parse_record(record_text(Withdrawn{id_of(1), "node-2"}));
    ASSERT_TRUE(withdrawn);
    EXPECT_EQ(std::get<Withdrawn>(*withdrawn).upload_id, id_of(1));
    EXPECT_EQ(std::get<Withdrawn>(*withdrawn).process, "node-2");
    const auto voided = std::get<Voided>(*parse_record(record_text(Voided{id_of(3)})));
    EXPECT_EQ(voided.upload_id, id_of(3));
    EXPECT_FALSE(voided.replaced_by);
    EXPECT_EQ(std::get<Voided>(*parse_record(record_text(Voided{id_of(3), id_of(4)}))).replaced_by,
              id_of(4));
    EXPECT_EQ(std::get<Visible>(*parse_record(record_text(Visible{99}))).version, 99U);
}

TEST(ControlRecords, WhatDoesNotAgreeIsNoRecord) {
    Published wrong = sample();
    wrong.totals.rows = 4;  // the partitions have 3
    EXPECT_FALSE(parse_record(record_text(wrong)));
    std::string text = record_text(sample());
    for (size_t cut = 0; cut < text.size(); ++cut) {
        EXPECT_FALSE(parse_record(std::string_view(text).substr(0, cut))) << cut;
    }
    for (const char* other : {"", "null", "[]", "{}", R"({"type":"stored"})",
                              R"({"type":"visible","version":-1})", R"({"type":"else"})"}) {
        EXPECT_FALSE(parse_record(other)) << other;
    }
}

TEST(ControlRecords, OnlyWhatMakesNoVersionReplacesAnEarlierOne) {
    EXPECT_EQ(key_of(sample(), "a"), key_of(sample(), "b"));
    EXPECT_EQ(key_of(Visible{1}, "a"), key_of(Visible{2}, "b"));
    EXPECT_NE(key_of(Voided{id_of(1)}, "a"), key_of(Voided{id_of(1)}, "b"));
    EXPECT_NE(key_of(Withdrawn{id_of(1), ""}, "a"), key_of(Withdrawn{id_of(1), ""}, "b"));
    EXPECT_NE(
        key_of(
            Stored{.upload_id = id_of(1), .receiver = {}, .upload = {}, .replaces = {}, .row = {}},
            "a"),
        key_of(
            Stored{.upload_id = id_of(1), .receiver = {}, .upload = {}, .replaces = {}, .row = {}},
            "b"));
}

TEST(ControlRecords, TheManifestHasEveryPartition) {
    const auto manifest = manifest_of(sample());
    ASSERT_EQ(manifest.partitions.size(), 2U);
    EXPECT_EQ(manifest.partitions[1].partition, 1U);
    EXPECT_EQ(manifest.partitions[1].last_offset, 15);
    EXPECT_EQ(manifest.partitions[0].last_offset, -1);
    EXPECT_EQ(manifest.totals, sample().totals);
}

}  // namespace
}  // namespace rh::kafka_log
