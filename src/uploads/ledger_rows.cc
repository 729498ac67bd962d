#include "uploads/ledger_rows.h"

#include <algorithm>

#include <fmt/format.h>

namespace rh::uploads {
namespace {

std::unexpected<Error> unreadable(std::string_view what) {
    return fail(ErrorKind::internal, "ledger_error",
                fmt::format("The ledger holds a value that this program cannot read ({}).", what));
}

Result<void> take_request(Statement& row, Request& request) {
    request.filename = row.take_text();
    const auto encoding = csv::parse_encoding(row.take_text());
    if (!encoding) {
        return unreadable("an upload's encoding");
    }
    request.encoding = *encoding;
    request.encoding_detected = row.take_flag();
    request.bom = row.take_flag();
    const std::string delimiter = row.take_text();
    if (delimiter.size() != 1) {
        return unreadable("an upload's delimiter");
    }
    request.csv.delimiter = delimiter[0];
    request.csv.timezone_offset_minutes = static_cast<int32_t>(row.take_integer());
    request.csv.empty_amount_is_reject = row.take_flag();
    request.csv.allow_negative = row.take_flag();
    request.abort_on_error = row.take_flag();
    if (const auto errors_max = row.take_optional_integer()) {
        request.errors_max = static_cast<uint64_t>(*errors_max);
    }
    request.dry_run = row.take_flag();
    request.label = row.take_text();
    const std::string replaces = row.take_blob();
    if (!replaces.empty()) {
        model::UploadId id;
        std::copy_n(replaces.begin(), std::min(replaces.size(), id.bytes.size()),
                    reinterpret_cast<char*>(id.bytes.data()));
        request.replaces = id;
    }
    return {};
}

Result<void> take_outcome(Statement& row, Upload& upload) {
    upload.rows.read = row.take_count();
    upload.rows.accepted = row.take_count();
    upload.rows.rejected = row.take_count();
    upload.rows.blank = row.take_count();
    upload.totals.rows = row.take_count();
    for (auto& sum : upload.totals.sums) {
        const auto parsed = model::parse_money_sum(row.take_text());
        if (!parsed) {
            return unreadable("a control total");
        }
        sum = *parsed;
    }
    for (uint64_t& empty : upload.empty_amounts) {
        empty = row.take_count();
    }
    upload.created_ms_min = row.take_integer();
    upload.created_ms_max = row.take_integer();
    upload.epoch = static_cast<uint32_t>(row.take_integer());
    upload.checkpoint_cell = row.take_count();
    if (const auto version = row.take_optional_integer()) {
        upload.stored_version = static_cast<uint64_t>(*version);
    }
    if (const auto version = row.take_optional_integer()) {
        upload.voided_version = static_cast<uint64_t>(*version);
    }
    upload.finished_at = row.take_optional_integer();
    upload.error_code = row.take_text();
    upload.error_message = row.take_text();
    upload.held_by = row.take_text();
    return {};
}

Result<Upload> take_upload(Statement& row) {
    Upload upload;
    RH_ASSIGN(upload.id, take_id(row));
    const auto state = parse_state(row.take_text());
    if (!state) {
        return unreadable("an upload's state");
    }
    upload.state = *state;
    RH_TRY(take_request(row, upload.request));
    upload.bytes = row.take_count();
    upload.sha256 = row.take_text();
    upload.trace_id = row.take_text();
    upload.created_at = row.take_integer();
    RH_TRY(take_outcome(row, upload));
    return upload;
}

Result<void> read_lists(Database& database, Upload& upload) {
    {
        RH_ASSIGN(Statement names,
                  database.use("SELECT name FROM ignored_columns WHERE upload_id = ?1 "
                               "ORDER BY position"));
        names.bind_blob(upload.id.bytes);
        while (true) {
            RH_ASSIGN(const bool row, names.step());
            if (!row) {
                break;
            }
            upload.ignored_columns.push_back(names.take_text());
        }
    }
    {
        RH_ASSIGN(Statement faults,
                  database.use("SELECT code, count FROM faults WHERE upload_id = ?1"));
        faults.bind_blob(upload.id.bytes);
        while (true) {
            RH_ASSIGN(const bool row, faults.step());
            if (!row) {
                break;
            }
            std::string code = faults.take_text();
            upload.faults[std::move(code)] = faults.take_count();
        }
    }
    RH_ASSIGN(Statement warnings,
              database.use("SELECT code, detail, count, other_upload_id FROM warnings "
                           "WHERE upload_id = ?1 ORDER BY code, other_upload_id"));
    warnings.bind_blob(upload.id.bytes);
    while (true) {
        RH_ASSIGN(const bool row, warnings.step());
        if (!row) {
            return {};
        }
        Warning warning;
        warning.code = warnings.take_text();
        warning.detail = warnings.take_text();
        warning.count = warnings.take_count();
        warning.upload_id = warnings.take_text();
        upload.warnings.push_back(std::move(warning));
    }
}

std::optional<int64_t> as_integer(const std::optional<uint64_t>& count) {
    return count ? std::optional(static_cast<int64_t>(*count)) : std::nullopt;
}

void bind_count(Statement& statement, uint64_t count) {
    statement.bind(static_cast<int64_t>(count));
}

void bind_request(Statement& insert, const Request& request) {
    insert.bind(request.filename)
        .bind(csv::name(request.encoding))
        .bind(int64_t{request.encoding_detected})
        .bind(int64_t{request.bom})
        .bind(std::string_view(&request.csv.delimiter, 1))
        .bind(int64_t{request.csv.timezone_offset_minutes})
        .bind(int64_t{request.csv.empty_amount_is_reject})
        .bind(int64_t{request.csv.allow_negative})
        .bind(int64_t{request.abort_on_error})
        .bind(as_integer(request.errors_max))
        .bind(int64_t{request.dry_run})
        .bind(request.label);
    if (request.replaces) {
        insert.bind_blob(request.replaces->bytes);
    } else {
        insert.bind_null();
    }
}

// In the order of the columns from rows_read to error_message, without the versions.
void bind_outcome(Statement& statement, const Upload& upload) {
    for (const uint64_t rows : {upload.rows.read, upload.rows.accepted, upload.rows.rejected,
                                upload.rows.blank, upload.totals.rows}) {
        bind_count(statement, rows);
    }
    for (const auto& sum : upload.totals.sums) {
        statement.bind(model::to_string(sum));
    }
    for (const uint64_t empty : upload.empty_amounts) {
        bind_count(statement, empty);
    }
    statement.bind(upload.created_ms_min)
        .bind(upload.created_ms_max)
        .bind(int64_t{upload.epoch})
        .bind(static_cast<int64_t>(upload.checkpoint_cell))
        .bind(upload.finished_at)
        .bind(upload.error_code)
        .bind(upload.error_message);
}

Result<void> write_lists(Database& database, const Upload& upload) {
    {
        RH_ASSIGN(Statement clear,
                  database.use("DELETE FROM ignored_columns WHERE upload_id = ?1"));
        RH_TRY(clear.bind_blob(upload.id.bytes).run());
    }
    {
        RH_ASSIGN(Statement clear, database.use("DELETE FROM faults WHERE upload_id = ?1"));
        RH_TRY(clear.bind_blob(upload.id.bytes).run());
    }
    for (size_t i = 0; i < upload.ignored_columns.size(); ++i) {
        RH_ASSIGN(Statement insert,
                  database.use("INSERT INTO ignored_columns VALUES (?1, ?2, ?3)"));
        insert.bind_blob(upload.id.bytes).bind(static_cast<int64_t>(i));
        RH_TRY(insert.bind(upload.ignored_columns[i]).run());
    }
    for (const auto& [code, count] : upload.faults) {
        RH_ASSIGN(Statement insert, database.use("INSERT INTO faults VALUES (?1, ?2, ?3)"));
        RH_TRY(
            insert.bind_blob(upload.id.bytes).bind(code).bind(static_cast<int64_t>(count)).run());
    }
    return write_warnings(database, upload.id, upload.warnings);
}

}  // namespace

Result<model::UploadId> take_id(Statement& row) {
    const std::string bytes = row.take_blob();
    model::UploadId id;
    if (bytes.size() != id.bytes.size()) {
        return unreadable("an upload's id");
    }
    std::ranges::copy(bytes, reinterpret_cast<char*>(id.bytes.data()));
    return id;
}

Result<std::vector<Upload>> read_uploads(Database& database, Statement& select) {
    std::vector<Upload> uploads;
    while (true) {
        RH_ASSIGN(const bool row, select.step());
        if (!row) {
            break;
        }
        RH_ASSIGN(Upload upload, take_upload(select));
        uploads.push_back(std::move(upload));
    }
    for (Upload& upload : uploads) {
        RH_TRY(read_lists(database, upload));
    }
    return uploads;
}

Result<std::optional<Upload>> read_upload(Database& database, const model::UploadId& id) {
    RH_ASSIGN(Statement select,
              database.use("SELECT " RH_UPLOAD_COLUMNS " FROM uploads WHERE id = ?1"));
    select.bind_blob(id.bytes);
    RH_ASSIGN(std::vector<Upload> uploads, read_uploads(database, select));
    return uploads.empty() ? std::nullopt : std::optional(std::move(uploads.front()));
}

Result<void> insert_upload(Database& database, const Upload& upload) {
    RH_ASSIGN(Statement insert,
              database.use("INSERT INTO uploads (id, state, filename, encoding, encoding_detected, "
                           "bom, delimiter, timezone_offset_minutes, empty_amount_is_reject, "
                           "allow_negative, abort_on_error, errors_max, dry_run, label, replaces, "
                           "bytes, sha256, trace_id, created_at, rows_read, rows_accepted, "
                           "rows_rejected, rows_blank, total_rows, total_real_amount_bet, "
                           "total_bonus_amount_bet, total_real_amount_win, total_bonus_amount_win, "
                           "empty_real_amount_bet, empty_bonus_amount_bet, empty_real_amount_win, "
                           "empty_bonus_amount_win, created_ms_min, created_ms_max, epoch, "
                           "checkpoint_cell, finished_at, error_code, error_message) VALUES "
                           "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                           "?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, "
                           "?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39)"));
    insert.bind_blob(upload.id.bytes).bind(name(upload.state));
    bind_request(insert, upload.request);
    insert.bind(static_cast<int64_t>(upload.bytes))
        .bind(upload.sha256)
        .bind(upload.trace_id)
        .bind(upload.created_at);
    bind_outcome(insert, upload);
    RH_TRY(insert.run());
    return write_lists(database, upload);
}

Result<bool> update_upload(Database& database, const Upload& upload, State expected) {
    RH_ASSIGN(Statement update,
              database.use(
                  "UPDATE uploads SET state = ?3, rows_read = ?4, rows_accepted = ?5, "
                  "rows_rejected = ?6, rows_blank = ?7, total_rows = ?8, "
                  "total_real_amount_bet = ?9, total_bonus_amount_bet = ?10, "
                  "total_real_amount_win = ?11, total_bonus_amount_win = ?12, "
                  "empty_real_amount_bet = ?13, empty_bonus_amount_bet = ?14, "
                  "empty_real_amount_win = ?15, empty_bonus_amount_win = ?16, "
                  "created_ms_min = ?17, created_ms_max = ?18, epoch = ?19, checkpoint_cell = ?20, "
                  "finished_at = ?21, error_code = ?22, error_message = ?23 "
                  "WHERE id = ?1 AND state = ?2"));
    update.bind_blob(upload.id.bytes).bind(name(expected)).bind(name(upload.state));
    bind_outcome(update, upload);
    RH_TRY(update.run());
    if (database.changes() == 0) {
        return false;
    }
    RH_TRY(write_lists(database, upload));
    return true;
}

Result<void> write_warnings(Database& database, const model::UploadId& id,
                            const std::vector<Warning>& warnings) {
    for (const Warning& warning : warnings) {
        RH_ASSIGN(Statement insert,
                  database.use("INSERT OR REPLACE INTO warnings "
                               "(upload_id, code, other_upload_id, detail, count) "
                               "VALUES (?1, ?2, ?3, ?4, ?5)"));
        insert.bind_blob(id.bytes).bind(warning.code).bind(warning.upload_id).bind(warning.detail);
        RH_TRY(insert.bind(static_cast<int64_t>(warning.count)).run());
    }
    return {};
}

Result<void> delete_upload(Database& database, const model::UploadId& id) {
    RH_ASSIGN(Statement remove, database.use("DELETE FROM uploads WHERE id = ?1"));
    return remove.bind_blob(id.bytes).run();
}

}  // namespace rh::uploads
