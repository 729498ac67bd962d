#include "sink/versions.h"

#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/kill_point.h"
#include "base/split.h"
#include "model/money.h"
#include "model/timestamp.h"
#include "model/upload_id.h"

namespace rh::sink {
namespace {

constexpr uint64_t kNever = UINT64_MAX;

bool parse_version(std::string_view text, uint64_t& version) {
    return std::from_chars(text.data(), text.data() + text.size(), version).ec == std::errc{};
}

}  // namespace

std::string uploads_row(const uploads::Upload& upload, uint64_t revision) {
    boost::json::object row;
    row["upload_id"] = model::to_string(upload.id);
    row["filename"] = upload.request.filename;
    row["bytes"] = upload.bytes;
    row["sha256"] = upload.sha256;
    row["rows_read"] = upload.rows.read;
    row["rows_accepted"] = upload.rows.accepted;
    row["rows_rejected"] = upload.rows.rejected;
    row["rows_blank"] = upload.rows.blank;
    for (size_t a = 0; a < model::kAmountNames.size(); ++a) {
        row[model::kAmountNames[a]] = model::to_string(upload.totals.sums[a]);
    }
    row["created_min"] = model::format_rfc3339(upload.created_ms_min);
    row["created_max"] = model::format_rfc3339(upload.created_ms_max);
    row["stored_version"] = upload.stored_version.value_or(revision);
    row["voided_version"] = upload.voided_version.value_or(kNever);
    row["stored_at"] = model::format_rfc3339(upload.finished_at.value_or(now_ms()));
    row["revision"] = revision;
    return boost::json::serialize(row) + "\n";
}

// On every shard, so that each of them can tell which of its rows count.
Result<void> write_uploads_rows(const clickhouse::Store& store, const std::string& rows) {
    const std::string_view piece = rows;
    kill_point("stored_before_uploads_row");
    RH_TRY(store.do_on_every_shard([&](size_t shard) {
        return store.owner(shard).insert(
            "INSERT INTO uploads FORMAT JSONEachRow", {&piece, 1}, {},
            {{"async_insert", "0"}, {"date_time_input_format", "best_effort"}});
    }));
    RH_TRY(store.make_durable());
    kill_point("stored_before_ledger");
    return {};
}

Result<std::vector<std::optional<LastChange>>> last_changes(const clickhouse::Store& store) {
    std::vector<std::optional<LastChange>> changes;
    for (const auto& answer : store.on_every_shard([&](size_t shard) {
             return store.owner(shard).query(
                 "SELECT upload_id, stored_version, revision FROM uploads FINAL WHERE "
                 "stored_version != 18446744073709551615 ORDER BY revision DESC LIMIT 1 FORMAT "
                 "TSV");
         })) {
        RH_TRY(answer);
        const auto lines = lines_of(*answer);
        if (lines.empty()) {
            changes.emplace_back();
            continue;
        }
        const auto fields = split(lines.front(), '\t');
        const auto id = fields.size() == 3 ? model::parse_upload_id(fields[0]) : std::nullopt;
        LastChange change;
        if (!id || !parse_version(fields[1], change.stored_version) ||
            !parse_version(fields[2], change.revision)) {
            return fail(ErrorKind::internal, "clickhouse_error",
                        fmt::format("ClickHouse's row of an upload cannot be read: {}", *answer));
        }
        change.upload_id = *id;
        changes.emplace_back(change);
    }
    return changes;
}

std::unexpected<Error> unfinished_void(Error cause, std::string_view when) {
    cause.message =
        fmt::format("The void is noted, and the figures will be without the upload {}. {}", when,
                    cause.message);
    return std::unexpected(std::move(cause));
}

Result<uploads::Upload> find_to_void(const uploads::Ledger& ledger, const model::UploadId& id) {
    RH_ASSIGN(auto upload, ledger.find(id));
    if (!upload) {
        return fail(ErrorKind::not_found, "upload_not_found",
                    fmt::format("There is no upload {}.", model::to_string(id)));
    }
    if (upload->state != uploads::State::stored) {
        return fail(
            ErrorKind::conflict, "upload_not_stored",
            fmt::format("The upload is {}, not stored, so none of its rows are in the figures. {}",
                        uploads::name(upload->state),
                        uploads::is_final(upload->state) ? "DELETE removes it." : "Cancel it."));
    }
    return std::move(*upload);
}

Result<bool> LedgerVersions::is_being_made(uint64_t version) const {
    RH_ASSIGN(const auto open, ledger_.open_reservation());
    return open && open->version == version;
}

Result<void> LedgerVersions::write_rows(const std::vector<uploads::Upload>& uploads,
                                        uint64_t version) {
    std::string body;
    for (const auto& upload : uploads) {
        body += uploads_row(upload, version);
    }
    return write_uploads_rows(store_, body);
}

// Versions that two ledgers number are of nobody, so a second one is found before it changes
// anything: it is another server on the same cluster, or an old copy.
Result<void> LedgerVersions::check_nobody_else_counts() const {
    RH_ASSIGN(const auto changes, last_changes(store_));
    RH_ASSIGN(const uint64_t last, ledger_.last_reserved_version());
    RH_ASSIGN(const auto open, ledger_.open_reservation());
    for (const auto& change : changes) {
        if (!change ||
            (open && open->upload_id == change->upload_id && open->version == change->revision)) {
            continue;
        }
        RH_ASSIGN(const auto upload, ledger_.find(change->upload_id));
        if (!upload || upload->stored_version != change->stored_version ||
            change->revision > last) {
            return fail(
                ErrorKind::conflict, "other_ledger",
                fmt::format(
                    "ClickHouse counts upload {} since version {}, and this server's ledger knows "
                    "nothing of that: another server keeps its figures there, or the ledger is an "
                    "old copy. Nothing is stored or voided, since versions would be numbered "
                    "twice. Give this server a ClickHouse of its own, or let both share one with "
                    "--log=kafka; or restore the ledger that belongs to the tables.",
                    model::to_string(change->upload_id), change->revision));
        }
    }
    return {};
}

Result<void> LedgerVersions::check_tables() const {
    const std::scoped_lock lock(mutex_);
    return check_nobody_else_counts();
}

Result<void> LedgerVersions::commit_stored(uploads::Upload upload, int64_t) {
    const std::scoped_lock lock(mutex_);
    RH_TRY(settle());
    if (store_.is_cluster()) {
        RH_TRY(check_nobody_else_counts());
    }
    RH_ASSIGN(const uint64_t version, ledger_.reserve_version(upload.id));
    upload.state = uploads::State::stored;
    upload.stored_version = version;
    upload.finished_at = now_ms();
    std::vector<uploads::Upload> rows = {upload};
    if (upload.request.replaces) {
        RH_ASSIGN(auto replaced, ledger_.find(*upload.request.replaces));
        if (replaced && !replaced->voided_version) {
            replaced->voided_version = version;
            rows.push_back(*replaced);
        }
    }
    RH_TRY(write_rows(rows, version));
    RH_TRY(ledger_.commit_stored(upload));
    kill_point("stored_after_ledger");
    return {};
}

Result<uploads::Upload> LedgerVersions::finish_void(uploads::Upload upload, uint64_t version) {
    upload.voided_version = version;
    RH_TRY(write_rows({upload}, version));
    RH_TRY(ledger_.commit_voided(upload.id, version));
    return upload;
}

Result<uploads::Upload> LedgerVersions::commit_voided(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    RH_TRY(settle());  // perhaps of this very void, when it was asked for before
    RH_ASSIGN(auto upload, find_to_void(ledger_, id));
    if (upload.voided_version) {
        return upload;
    }
    if (store_.is_cluster()) {
        RH_TRY(check_nobody_else_counts());
    }
    RH_ASSIGN(const uint64_t version, ledger_.reserve_version(id));
    auto voided = finish_void(std::move(upload), version);
    return voided
               ? std::move(voided)
               : unfinished_void(std::move(voided).error(),
                                 "when this is over and somebody asks again, at the next change of "
                                 "the figures, or at the next start");
}

Result<void> LedgerVersions::withdraw(const model::UploadId& id) {
    const std::scoped_lock lock(mutex_);
    RH_ASSIGN(const auto open, ledger_.open_reservation());
    return open && open->upload_id == id ? take_back(*open) : Result<void>{};
}

Result<void> LedgerVersions::take_back(const uploads::Ledger::OpenReservation& open) {
    RH_ASSIGN(auto upload, ledger_.find(open.upload_id));
    std::vector<uploads::Upload> rows;
    if (upload) {
        upload->stored_version = kNever;  // later than every version that will be
        upload->voided_version = open.version;
        rows.push_back(*upload);
        if (upload->request.replaces) {
            RH_ASSIGN(const auto replaced, ledger_.find(*upload->request.replaces));
            if (replaced) {
                rows.push_back(*replaced);
            }
        }
    }
    RH_TRY(write_rows(rows, open.version));
    return ledger_.release_reservation(open.upload_id);
}

Result<std::optional<model::UploadId>> LedgerVersions::settle() {
    RH_ASSIGN(const auto open, ledger_.open_reservation());
    if (!open) {
        return std::nullopt;
    }
    RH_ASSIGN(const auto upload, ledger_.find(open->upload_id));
    if (upload && upload->state == uploads::State::storing) {
        return open->upload_id;
    }
    if (upload && upload->state == uploads::State::stored && !upload->voided_version) {
        RH_TRY(finish_void(*upload, open->version));
    } else {
        RH_TRY(take_back(*open));
    }
    return std::nullopt;
}

Result<std::optional<model::UploadId>> LedgerVersions::recover() {
    const std::scoped_lock lock(mutex_);
    return settle();
}

}  // namespace rh::sink
