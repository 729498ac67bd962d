#include "uploads/ledger.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "uploads/ledger_rows.h"
#include "uploads/ledger_schema.h"
#include "uploads/sqlite.h"

namespace rh::uploads {
namespace {

std::unexpected<Error> upload_not_found(const model::UploadId& id) {
    return fail(ErrorKind::not_found, "upload_not_found",
                fmt::format("There is no upload {}.", model::to_string(id)));
}

std::unexpected<Error> upload_changed(const model::UploadId& id, State is,
                                      std::string_view wanted) {
    return fail(ErrorKind::conflict, "upload_changed",
                fmt::format("Upload {} is {} now, no longer {}. Look at it again.",
                            model::to_string(id), name(is), wanted));
}

std::unexpected<Error> version_reserved(const Ledger::OpenReservation& open) {
    return fail(ErrorKind::conflict, "version_reserved",
                fmt::format("Version {} is being made by upload {}. Try again in a moment.",
                            open.version, model::to_string(open.upload_id)),
                Verdict::retry);
}

Result<std::optional<Upload>> same_bytes(Database& database, const std::string& sha256,
                                         const std::string& label,
                                         const model::UploadId& other_than) {
    RH_ASSIGN(Statement select,
              database.use("SELECT " RH_UPLOAD_COLUMNS
                           " FROM uploads WHERE sha256 = ?1 AND label = ?2 AND id <> ?3 "
                           "AND dry_run = 0 AND voided_version IS NULL "
                           "AND state IN ('validating', 'publishing', 'storing', 'stored') "
                           "ORDER BY created_at LIMIT 1"));
    select.bind(sha256).bind(label).bind_blob(other_than.bytes);
    RH_ASSIGN(std::vector<Upload> uploads, read_uploads(database, select));
    return uploads.empty() ? std::nullopt : std::optional(std::move(uploads.front()));
}

Result<void> check_same_bytes(Database& database, const Upload& upload) {
    if (upload.request.dry_run) {
        return {};
    }
    RH_ASSIGN(const auto other,
              same_bytes(database, upload.sha256, upload.request.label, upload.id));
    if (!other) {
        return {};
    }
    return fail(ErrorKind::conflict, "same_file_other_options",
                fmt::format("The same file is upload {} ({}), sent with other options: {}. Send it "
                            "with those, or void or remove that upload first, or say "
                            "allow_duplicate=LABEL to count it again.",
                            model::to_string(other->id), name(other->state),
                            differing_options(upload.request, other->request)));
}

Result<void> check_replaces(Database& database, const Upload& upload) {
    if (!upload.request.replaces) {
        return {};
    }
    const model::UploadId& replaced = *upload.request.replaces;
    RH_ASSIGN(const auto other, read_upload(database, replaced));
    if (!other) {
        return fail(ErrorKind::not_found, "replaced_upload_not_found",
                    fmt::format("There is no upload {} to replace.", model::to_string(replaced)));
    }
    if (replaced == upload.id || other->state != State::stored || other->voided_version) {
        return fail(ErrorKind::conflict, "not_replaceable",
                    fmt::format("Upload {} cannot be replaced: {}.", model::to_string(replaced),
                                replaced == upload.id ? "it is this same file"
                                : other->voided_version
                                    ? "it is voided already"
                                    : fmt::format("it is {}, not stored", name(other->state))));
    }
    RH_ASSIGN(
        Statement select,
        database.use("SELECT id FROM uploads WHERE replaces = ?1 AND id <> ?2 AND dry_run = 0 "
                     "AND state IN ('validating', 'publishing', 'storing')"));
    select.bind_blob(replaced.bytes).bind_blob(upload.id.bytes);
    RH_ASSIGN(const bool rival, select.step());
    if (rival && !upload.request.dry_run) {
        return fail(ErrorKind::conflict, "not_replaceable",
                    fmt::format("Upload {} is being replaced by another upload already. Wait for "
                                "that one, or cancel it.",
                                model::to_string(replaced)));
    }
    return {};
}

Result<void> check_others(Database& database, const Upload& upload) {
    RH_TRY(check_same_bytes(database, upload));
    return check_replaces(database, upload);
}

}  // namespace

struct Ledger::Impl {
    explicit Impl(Database opened) : database(std::move(opened)) {}
    std::mutex mutex;
    Database database;  // guarded by mutex

    Result<std::optional<OpenReservation>> reservation();
    Result<void> close_reservation(const model::UploadId& id, uint64_t version);
    Result<void> raise_version(uint64_t version);
    Result<void> take_number(const model::UploadId& id, uint64_t version, Numbering numbering) {
        return numbering == Numbering::here ? close_reservation(id, version)
                                            : raise_version(version);
    }
    Result<void> void_upload(const model::UploadId& id, uint64_t version);
};

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() = default;

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path) {
    RH_ASSIGN(Database database, Database::open(path));
    RH_TRY(migrate_ledger(database));
    return std::unique_ptr<Ledger>(new Ledger(std::make_unique<Impl>(std::move(database))));
}

Result<void> Ledger::may_create(const Upload& upload) const {
    const std::lock_guard lock(impl_->mutex);
    return check_others(impl_->database, upload);
}

Result<Ledger::Created> Ledger::create(const Upload& upload) {
    const std::lock_guard lock(impl_->mutex);
    Database& database = impl_->database;
    RH_ASSIGN(Transaction transaction, Transaction::begin(database));
    RH_ASSIGN(auto existing, read_upload(database, upload.id));
    if (existing && !may_start_again(existing->state)) {
        return Created{.upload = std::move(*existing), .created = false};
    }
    RH_TRY(check_others(database, upload));
    if (existing) {
        RH_ASSIGN(const auto open, impl_->reservation());
        if (open && open->upload_id == upload.id) {
            return version_reserved(*open);
        }
        RH_TRY(delete_upload(database, upload.id));
    }
    Upload fresh;
    fresh.id = upload.id;
    fresh.request = upload.request;
    fresh.bytes = upload.bytes;
    fresh.sha256 = upload.sha256;
    fresh.created_at = upload.created_at;
    fresh.trace_id = upload.trace_id;
    RH_TRY(insert_upload(database, fresh));
    RH_TRY(transaction.commit());
    return Created{.upload = std::move(fresh), .created = true};
}

Result<std::optional<Upload>> Ledger::find_same_bytes(const std::string& sha256,
                                                      const std::string& label,
                                                      const model::UploadId& other_than) const {
    const std::lock_guard lock(impl_->mutex);
    return same_bytes(impl_->database, sha256, label, other_than);
}

Result<std::optional<Upload>> Ledger::find(const model::UploadId& id) const {
    const std::lock_guard lock(impl_->mutex);
    return read_upload(impl_->database, id);
}

Result<void> Ledger::update(const Upload& upload, State expected) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    if (upload.state == State::cancelled) {
        RH_ASSIGN(const auto open, impl_->reservation());
        if (open && open->upload_id == upload.id) {
            return fail(ErrorKind::conflict, "upload_changed",
                        fmt::format("Upload {} is being stored in this moment. Void it afterwards.",
                                    model::to_string(upload.id)));
        }
    }
    RH_ASSIGN(const bool updated, update_upload(impl_->database, upload, expected));
    if (!updated) {
        RH_ASSIGN(const auto found, read_upload(impl_->database, upload.id));
        return found ? upload_changed(upload.id, found->state, name(expected))
                     : upload_not_found(upload.id);
    }
    return transaction.commit();
}

Result<void> Ledger::set_checkpoint(const model::UploadId& id, uint64_t cell) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement update,
              impl_->database.use("UPDATE uploads SET checkpoint_cell = ?2 WHERE id = ?1"));
    RH_TRY(update.bind_blob(id.bytes).bind(static_cast<int64_t>(cell)).run());
    if (impl_->database.changes() == 0) {
        return upload_not_found(id);
    }
    return {};
}

Result<void> Ledger::add_warnings(const model::UploadId& id, const std::vector<Warning>& warnings) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    RH_ASSIGN(const auto found, read_upload(impl_->database, id));
    if (!found) {
        return upload_not_found(id);
    }
    RH_TRY(write_warnings(impl_->database, id, warnings));
    return transaction.commit();
}

Result<void> Ledger::remove(const model::UploadId& id) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    RH_ASSIGN(const auto found, read_upload(impl_->database, id));
    if (!found) {
        return {};
    }
    if (found->voided_version) {
        const uint64_t first = found->stored_version.value_or(0);
        const uint64_t last = *found->voided_version - 1;
        return fail(
            ErrorKind::conflict, "upload_voided",
            fmt::format("Upload {} is out of the figures since version {}. It stays here, because "
                        "{} it.",
                        model::to_string(id), *found->voided_version,
                        first == last
                            ? fmt::format("version {} counts", first)
                            : fmt::format("the versions from {} to {} count", first, last)));
    }
    RH_ASSIGN(const auto reserved, impl_->reservation());
    if (found->state == State::stored || (reserved && reserved->upload_id == id)) {
        return fail(ErrorKind::conflict, "upload_stored",
                    fmt::format("Upload {} is stored and part of the figures. Void it to take it "
                                "out of them.",
                                model::to_string(id)));
    }
    RH_TRY(delete_upload(impl_->database, id));
    return transaction.commit();
}

#define RH_UPLOAD_FILTER                                      \
    "(?1 = '' OR state = ?1) AND (?2 = '' OR filename = ?2) " \
    "AND (?3 = '' OR sha256 = ?3) "

Result<std::vector<Upload>> Ledger::list(const ListFilter& filter) const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(
        Statement select,
        impl_->database.use("SELECT " RH_UPLOAD_COLUMNS " FROM uploads WHERE " RH_UPLOAD_FILTER
                            "AND (?4 IS NULL OR (created_at, id) < (?4, ?5)) "
                            "ORDER BY created_at DESC, id DESC LIMIT ?6"));
    select.bind(filter.state ? name(*filter.state) : std::string_view());
    select.bind(filter.filename).bind(filter.sha256);
    if (filter.after) {
        select.bind(filter.after->first).bind_blob(filter.after->second.bytes);
    } else {
        select.bind_null().bind_null();
    }
    select.bind(static_cast<int64_t>(filter.limit));
    return read_uploads(impl_->database, select);
}

Result<uint64_t> Ledger::count(const ListFilter& filter) const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT count(*) FROM uploads WHERE " RH_UPLOAD_FILTER));
    select.bind(filter.state ? name(*filter.state) : std::string_view());
    select.bind(filter.filename).bind(filter.sha256);
    RH_TRY(select.step());
    return select.take_count();
}

Result<std::vector<Upload>> Ledger::unfinished() const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT " RH_UPLOAD_COLUMNS " FROM uploads WHERE state IN "
                                  "('validating', 'publishing', 'storing') "
                                  "ORDER BY created_at, id"));
    return read_uploads(impl_->database, select);
}

Result<StateCounts> Ledger::count_by_state() const {
    const std::lock_guard lock(impl_->mutex);
    std::array<uint64_t, kStateCount> counts{};
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT state, count(*) FROM uploads GROUP BY state"));
    while (true) {
        RH_ASSIGN(const bool row, select.step());
        if (!row) {
            return counts;
        }
        const auto state = parse_state(select.take_text());
        if (state) {
            counts[static_cast<size_t>(*state)] = select.take_count();
        }
    }
}

Result<std::optional<int64_t>> Ledger::oldest_created_at(State state) const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT min(created_at) FROM uploads WHERE state = ?1"));
    select.bind(name(state));
    RH_TRY(select.step());
    return select.take_optional_integer();
}

Result<std::optional<int64_t>> Ledger::last_stored_at() const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT finished_at FROM uploads WHERE stored_version = "
                                  "(SELECT max(stored_version) FROM uploads)"));
    RH_ASSIGN(const bool row, select.step());
    return row ? select.take_optional_integer() : std::nullopt;
}

Result<std::vector<Ledger::StoredVersions>> Ledger::stored_versions() const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select,
              impl_->database.use("SELECT id, stored_version, coalesce(voided_version, -1) "
                                  "FROM uploads WHERE state = 'stored'"));
    std::vector<StoredVersions> found;
    while (true) {
        RH_ASSIGN(const bool row, select.step());
        if (!row) {
            return found;
        }
        StoredVersions upload;
        RH_ASSIGN(upload.id, take_id(select));
        upload.stored = select.take_count();
        upload.voided = select.take_count();  // -1 is UINT64_MAX
        found.push_back(upload);
    }
}

// ---- see ledger.h, "Versions"

Result<std::optional<Ledger::OpenReservation>> Ledger::Impl::reservation() {
    RH_ASSIGN(Statement select, database.use("SELECT last_reserved, reserved_for FROM versions "
                                             "WHERE reserved_for IS NOT NULL"));
    RH_ASSIGN(const bool row, select.step());
    if (!row) {
        return std::nullopt;
    }
    OpenReservation open{.version = select.take_count(), .upload_id = {}};
    const std::string bytes = select.take_blob();
    std::copy_n(bytes.begin(), std::min(bytes.size(), open.upload_id.bytes.size()),
                reinterpret_cast<char*>(open.upload_id.bytes.data()));
    return open;
}

Result<void> Ledger::Impl::close_reservation(const model::UploadId& id, uint64_t version) {
    RH_ASSIGN(const auto open, reservation());
    if (!open || open->upload_id != id || open->version != version) {
        return fail(ErrorKind::conflict, "version_not_reserved",
                    fmt::format("Version {} is not reserved for upload {}.", version,
                                model::to_string(id)));
    }
    RH_ASSIGN(Statement close,
              database.use("UPDATE versions SET reserved_for = NULL, current = last_reserved"));
    return close.run();
}

Result<void> Ledger::Impl::void_upload(const model::UploadId& id, uint64_t version) {
    RH_ASSIGN(Statement update, database.use("UPDATE uploads SET voided_version = ?2 WHERE id = ?1 "
                                             "AND state = 'stored' AND voided_version IS NULL"));
    return update.bind_blob(id.bytes).bind(static_cast<int64_t>(version)).run();
}

Result<uint64_t> Ledger::current_version() const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select, impl_->database.use("SELECT current FROM versions"));
    RH_TRY(select.step());
    return select.take_count();
}

Result<uint64_t> Ledger::last_reserved_version() const {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement select, impl_->database.use("SELECT last_reserved FROM versions"));
    RH_TRY(select.step());
    return select.take_count();
}

Result<uint64_t> Ledger::reserve_version(const model::UploadId& id) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    RH_ASSIGN(const auto open, impl_->reservation());
    if (open && open->upload_id == id) {
        return open->version;
    }
    if (open) {
        return version_reserved(*open);
    }
    RH_ASSIGN(const auto found, read_upload(impl_->database, id));
    if (!found) {
        return upload_not_found(id);
    }
    const bool to_store = found->state == State::storing;
    const bool to_void = found->state == State::stored && !found->voided_version;
    if (!to_store && !to_void) {
        return upload_changed(id, found->state, "storing, nor stored and counted");
    }
    RH_ASSIGN(Statement reserve,
              impl_->database.use("UPDATE versions SET last_reserved = last_reserved + 1, "
                                  "reserved_for = ?1 RETURNING last_reserved"));
    reserve.bind_blob(id.bytes);
    RH_TRY(reserve.step());
    const uint64_t version = reserve.take_count();
    RH_TRY(reserve.run());
    RH_TRY(transaction.commit());
    return version;
}

Result<void> Ledger::Impl::raise_version(uint64_t version) {
    RH_ASSIGN(Statement raise,
              database.use("UPDATE versions SET last_reserved = max(last_reserved, ?1), "
                           "current = max(current, ?1)"));
    return raise.bind(static_cast<int64_t>(version)).run();
}

Result<void> Ledger::raise_current_version(uint64_t version) {
    const std::lock_guard lock(impl_->mutex);
    return impl_->raise_version(version);
}

Result<std::vector<Upload>> Ledger::learn(const std::vector<Upload>& stored) {
    const std::lock_guard lock(impl_->mutex);
    Database& database = impl_->database;
    RH_ASSIGN(Transaction transaction, Transaction::begin(database));
    std::vector<Upload> on_their_way;
    for (const Upload& upload : stored) {
        RH_ASSIGN(const auto existing, read_upload(database, upload.id));
        if (existing && !is_final(existing->state)) {
            on_their_way.push_back(upload);
            continue;
        }
        if (existing && existing->state == State::stored) {
            continue;
        }
        RH_TRY(delete_upload(database, upload.id));
        RH_TRY(insert_upload(database, upload));
        RH_ASSIGN(
            Statement update,
            database.use("UPDATE uploads SET stored_version = ?2, held_by = ?3 WHERE id = ?1"));
        update.bind_blob(upload.id.bytes)
            .bind(static_cast<int64_t>(upload.stored_version.value_or(0)))
            .bind(upload.held_by);
        RH_TRY(update.run());
    }
    RH_TRY(transaction.commit());
    return on_their_way;
}

Result<std::optional<Ledger::OpenReservation>> Ledger::open_reservation() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->reservation();
}

Result<void> Ledger::commit_stored(const Upload& upload, Numbering numbering) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    RH_ASSIGN(const auto found, read_upload(impl_->database, upload.id));
    if (!found) {
        return upload_not_found(upload.id);
    }
    if (found->state == State::stored && found->stored_version == upload.stored_version) {
        return {};
    }
    RH_TRY(impl_->take_number(upload.id, upload.stored_version.value_or(0), numbering));
    Upload stored = upload;
    stored.state = State::stored;
    RH_ASSIGN(const bool updated, update_upload(impl_->database, stored, State::storing));
    if (!updated) {
        return upload_changed(upload.id, found->state, name(State::storing));
    }
    {
        RH_ASSIGN(Statement update,
                  impl_->database.use("UPDATE uploads SET stored_version = ?2 WHERE id = ?1"));
        update.bind_blob(upload.id.bytes);
        RH_TRY(update.bind(static_cast<int64_t>(*upload.stored_version)).run());
    }
    if (upload.request.replaces) {
        RH_TRY(impl_->void_upload(*upload.request.replaces, *upload.stored_version));
    }
    return transaction.commit();
}

Result<void> Ledger::commit_voided(const model::UploadId& id, uint64_t version,
                                   Numbering numbering) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Transaction transaction, Transaction::begin(impl_->database));
    RH_ASSIGN(const auto found, read_upload(impl_->database, id));
    if (!found) {
        return upload_not_found(id);
    }
    if (found->voided_version == version) {
        return {};
    }
    if (found->state != State::stored || found->voided_version) {
        return upload_changed(id, found->state, "stored and counted");
    }
    RH_TRY(impl_->take_number(id, version, numbering));
    RH_TRY(impl_->void_upload(id, version));
    return transaction.commit();
}

Result<void> Ledger::release_reservation(const model::UploadId& id) {
    const std::lock_guard lock(impl_->mutex);
    RH_ASSIGN(Statement release, impl_->database.use("UPDATE versions SET reserved_for = NULL "
                                                     "WHERE reserved_for = ?1"));
    return release.bind_blob(id.bytes).run();
}

}  // namespace rh::uploads
