// The records of the control topic (docs/formats/kafka.md): what the processes of a cluster tell
// each other about uploads. JSON; what is parsed is not trusted. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "log/log.h"
#include "model/totals.h"
#include "model/upload_id.h"

namespace rh::kafka_log {

// Rows of an upload in one partition of the topic.
struct PartitionRows {
    model::Totals totals;
    int64_t first_offset = -1;  // -1: no row
    int64_t last_offset = -1;
};

// What is committed in the topic of an upload's rows so far. Each one replaces the one before it;
// with `complete` it is the manifest.
struct Published {
    enum class State : uint8_t {
        begun,     // some rows, perhaps none
        complete,  // all of them
        abandoned  // there will be no more, and those that are there do not count
    };
    model::UploadId upload_id;
    uint32_t epoch = 1;
    State state = State::begun;
    std::string publisher;   // the process that wrote it
    int64_t written_ms = 0;  // its clock
    uint64_t last_row = 0;   // number of the last row in the topic
    model::Totals totals;
    std::vector<PartitionRows> partitions;  // all of the topic when the upload began
};

// What a process says of a file that it was sent, until it is stored. Each one replaces the one of
// the same process before it.
struct Received {
    model::UploadId upload_id;
    std::string receiver;
    std::string state;   // of the upload there; empty: it was deleted
    std::string upload;  // as that process knows it (uploads/portable.h)
};

// An upload counts from now on: the version is the offset of the first such record of an upload.
struct Stored {
    model::UploadId upload_id;
    std::string receiver;                     // the process that stored it, and has its original
    std::string upload;                       // as that process knows it
    std::optional<model::UploadId> replaces;  // which does not count any more
    std::string row;                          // of `uploads`, as JSON without its versions
    // Offset of the last Withdrawn of the upload that its sender had read when it counted the rows;
    // -1: none. If there is a later one before this record, this one says nothing.
    int64_t withdrawn_at = -1;
};

// Rows of an upload are about to be removed: whoever counted them before this may not store it.
struct Withdrawn {
    model::UploadId upload_id;
    std::string process;  // that removes them
};

// An upload does not count any more: the version is the offset of the first such record.
struct Voided {
    model::UploadId upload_id;
    // An upload that had been stored without saying that it replaces this one; no other one may
    // replace it any more.
    std::optional<model::UploadId> replaced_by = {};
};

// The rows of `uploads` say everything up to this version.
struct Visible {
    uint64_t version = 0;
};

using ControlRecord = std::variant<Published, Received, Stored, Withdrawn, Voided, Visible>;

std::string record_text(const ControlRecord& record);
std::optional<ControlRecord> parse_record(std::string_view text);
// Under which key a record is sent: a later record of the same key replaces it when the topic is
// compacted. Those that make versions, or keep one from being made, must stay where they are, so
// each has a key of its own: `unique` is a text that never comes twice.
std::string key_of(const ControlRecord& record, std::string_view unique);

log::Manifest manifest_of(const Published& published);

}  // namespace rh::kafka_log
