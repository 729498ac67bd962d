#include "sink/topic_versions.h"

#include <string>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "model/upload_id.h"
#include "uploads/portable.h"

namespace rh::sink {
namespace {

constexpr int64_t kOthersMs = 5'000;

}  // namespace

Result<bool> TopicVersions::is_being_made(uint64_t version) const {
    RH_ASSIGN(const uint64_t known, ledger_.current_version());
    return version > known && version <= control_.latest_version();
}

Result<void> TopicVersions::commit_stored(uploads::Upload upload, int64_t withdrawn_at) {
    const std::scoped_lock lock(mutex_);
    upload.state = uploads::State::stored;
    upload.finished_at = now_ms();
    if (!control_.stored(upload.id)) {
        RH_TRY(control_.append(kafka_log::Stored{.upload_id = upload.id,
                                                 .receiver = node_,
                                                 .upload = uploads::portable_text(upload),
                                                 .replaces = upload.request.replaces,
                                                 .row = uploads_row(upload, 0),
                                                 .withdrawn_at = withdrawn_at}));
    }
    RH_TRY(replace_after_all(upload));
    RH_TRY(settle());
    const auto stored = control_.stored(upload.id);
    if (!stored && control_.withdrawn_at(upload.id) > withdrawn_at) {
        return fail(ErrorKind::conflict, "upload_withdrawn",
                    "Its rows were about to be removed after they had been counted.",
                    Verdict::retry);
    }
    if (const auto other = control_.lost_to(upload.id)) {
        return fail(
            ErrorKind::conflict, "not_replaceable",
            fmt::format("Upload {} was replaced by upload {} first, which another process "
                        "was sent. None of this file's rows count.",
                        model::to_string(*upload.request.replaces), model::to_string(*other)));
    }
    if (!stored) {
        return control_.not_the_topic_of(control_.visible_version());
    }
    upload.stored_version = stored->version;
    if (stored->record.receiver != node_) {
        upload.warnings.push_back(
            {.code = std::string(uploads::kStoredElsewhere),
             .detail = fmt::format("Process {} was sent the same file and stored it first. Its "
                                   "rows count once.",
                                   stored->record.receiver),
             .count = upload.rows.accepted,
             .upload_id = {}});
    }
    // First what others did, so that nobody who sees it stored finds what it replaces counted.
    RH_TRY(learn());
    if (upload.request.replaces && control_.voided(*upload.request.replaces) != stored->version) {
        const auto by = control_.replaced_by(*upload.request.replaces);
        if (by && by != upload.id) {
            upload.warnings.push_back(
                {.code = "replaced_elsewhere",
                 .detail = fmt::format(
                     "Another process stored this file without replacing upload {}, which upload "
                     "{} has replaced meanwhile. Both count: void one of them if they hold the "
                     "same rounds.",
                     model::to_string(*upload.request.replaces), model::to_string(*by)),
                 .count = upload.rows.accepted,
                 .upload_id = model::to_string(*by)});
        }
        upload.request.replaces.reset();  // by a version of its own
    }
    RH_TRY(ledger_.commit_stored(upload, uploads::Ledger::Numbering::elsewhere));
    learned_ = 0;  // it may be voided already
    kill_point("stored_after_ledger");
    return {};
}

// What another process stored first may not have been said to replace what this one was to.
Result<void> TopicVersions::replace_after_all(const uploads::Upload& upload) {
    const auto& replaces = upload.request.replaces;
    const auto stored = control_.stored(upload.id);
    if (stored && replaces && stored->record.replaces != replaces && control_.stored(*replaces) &&
        !control_.replaced_by(*replaces)) {
        RH_TRY(
            control_.append(kafka_log::Voided{.upload_id = *replaces, .replaced_by = upload.id}));
    }
    return {};
}

// A `stored` record that is on its way, by this process or by another one, may come at any time,
// however long its sender has given up to wait for an answer: the order of the topic decides.
Result<void> TopicVersions::withdraw(const model::UploadId& id) {
    RH_TRY(control_.append(kafka_log::Withdrawn{.upload_id = id, .process = node_}));
    return not_stored(id);  // everything before that record is read by now
}

Result<void> TopicVersions::check_undecided(const model::UploadId& id) const {
    RH_TRY(control_.catch_up());
    return not_stored(id);
}

Result<void> TopicVersions::not_stored(const model::UploadId& id) const {
    if (!control_.stored(id)) {
        return {};
    }
    return fail(ErrorKind::unavailable, "upload_decided",
                fmt::format("Upload {} counts already, so its rows stay.", model::to_string(id)),
                Verdict::retry);
}

Result<uploads::Upload> TopicVersions::commit_voided(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    auto found = find_to_void(ledger_, id);
    if (!found && found.error().code == "upload_not_stored" && control_.stored(id)) {
        return fail(ErrorKind::unavailable, "upload_running",
                    "The upload counts already, and this process is about to note it. Void it in a "
                    "moment.",
                    Verdict::retry);
    }
    RH_ASSIGN(auto upload, std::move(found));
    if (upload.voided_version) {
        return upload;
    }
    if (!control_.voided(id)) {
        RH_TRY(control_.append(kafka_log::Voided{.upload_id = id}));
    }
    if (!control_.voided(id)) {
        return control_.not_the_topic_of(upload.stored_version.value_or(0));
    }
    if (auto settled = settle(); !settled) {
        return unfinished_void(std::move(settled).error(), "by itself as soon as this is over");
    }
    upload.voided_version = control_.voided(id);
    RH_TRY(ledger_.commit_voided(id, upload.voided_version.value_or(0),
                                 uploads::Ledger::Numbering::elsewhere));
    return upload;
}

// Writes the rows of all versions that are not visible, whoever made them: every process would
// write the same.
Result<void> TopicVersions::settle() {
    const auto changes = control_.unsettled();
    if (changes.empty()) {
        return {};
    }
    std::string rows;
    for (const kafka_log::Change& change : changes) {
        const auto stored = control_.stored(change.upload_id);
        boost::system::error_code failed;
        auto row = boost::json::parse(stored ? stored->record.row : std::string(), failed);
        if (failed || !row.is_object()) {
            return fail(ErrorKind::internal, "kafka_error",
                        "The control topic's record of upload " +
                            model::to_string(change.upload_id) + " cannot be read.");
        }
        auto& object = row.get_object();
        object["stored_version"] = stored->version;
        object["voided_version"] = control_.voided(change.upload_id).value_or(UINT64_MAX);
        object["revision"] = change.version;
        rows += boost::json::serialize(row) + "\n";
    }
    RH_TRY(write_uploads_rows(store_, rows));
    RH_TRY(control_.append(kafka_log::Visible{changes.back().version}));
    return {};
}

// So that every process answers for them, and knows a file that another one has.
Result<void> TopicVersions::learn_stored() {
    for (const auto& [version, record] : control_.take_stored()) {
        auto upload = uploads::parse_portable(record.upload);
        if (!upload || upload->id != record.upload_id) {
            log_event(LogLevel::error, "what the control topic says of an upload cannot be read",
                      {{"upload_id", model::to_string(record.upload_id)}});
            continue;
        }
        upload->state = uploads::State::stored;
        upload->stored_version = version;
        upload->held_by = record.receiver == node_ ? "" : record.receiver;
        unlearned_.push_back(std::move(*upload));
    }
    if (!unlearned_.empty()) {
        RH_ASSIGN(unlearned_, ledger_.learn(unlearned_));
    }
    return {};
}

// In the order of their versions, since each becomes the ledger's.
Result<void> TopicVersions::learn_voided() {
    for (const model::UploadId& id : control_.voided_uploads()) {
        RH_ASSIGN(const auto upload, ledger_.find(id));
        if (upload && upload->state == uploads::State::stored && !upload->voided_version) {
            const uint64_t version = control_.voided(id).value_or(0);
            RH_TRY(ledger_.commit_voided(id, version, uploads::Ledger::Numbering::elsewhere));
            log_event(LogLevel::info, "upload voided", {{"upload_id", model::to_string(id)}});
        }
    }
    return {};
}

// The ledger says what readers of this process see, and it may be behind for a moment.
Result<void> TopicVersions::learn() {
    const uint64_t changes = control_.changes();
    if (changes == learned_ && unlearned_.empty()) {
        return {};
    }
    const uint64_t visible = control_.visible_version();  // before what it counts is asked for
    const size_t unlearned = unlearned_.size();
    RH_TRY(learn_stored());
    if (unlearned_.size() != unlearned) {
        learned_ = 0;  // what was learned may be voided
    }
    if (changes != learned_) {
        RH_TRY(learn_voided());
    }
    RH_TRY(ledger_.raise_current_version(visible));
    learned_ = changes;
    return {};
}

Result<std::optional<model::UploadId>> TopicVersions::recover() {
    const std::scoped_lock lock(mutex_);
    RH_TRY(settle());
    RH_TRY(learn());
    return std::nullopt;
}

// What the ledger and the shards know was numbered by this topic: it has that number, and says the
// same of the upload that changed last.
Result<void> TopicVersions::check_tables() const {
    RH_TRY(control_.connect());
    RH_ASSIGN(const uint64_t known, ledger_.current_version());
    if (known > control_.latest_version()) {
        return control_.not_the_topic_of(known);
    }
    RH_ASSIGN(const auto changes, last_changes(store_));
    // Another process may have stored something while this one asked.
    RH_TRY(control_.catch_up());
    for (const auto& change : changes) {
        if (!change) {
            continue;
        }
        const auto stored = control_.stored(change->upload_id);
        if (!stored || stored->version != change->stored_version ||
            static_cast<int64_t>(change->revision) >= control_.next_offset()) {
            return control_.not_the_topic_of(change->revision);
        }
    }
    return {};
}

Result<void> TopicVersions::tend() {
    const std::scoped_lock lock(mutex_);
    Result<void> settled;
    if (control_.unsettled_for_ms() > kOthersMs) {
        const uint64_t latest = control_.latest_version();
        if (std::exchange(left_, latest) != latest) {
            log_event(LogLevel::warning,
                      "versions that were made and not brought to all shards are made visible",
                      {{"version", std::to_string(latest)}});
        }
        settled = settle();
    }
    RH_TRY(learn());  // whatever keeps later versions from being seen
    return settled;
}

}  // namespace rh::sink
