#include "uploads/sqlite.h"

#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace rh::uploads {
namespace {

std::unexpected<Error> database_error(sqlite3* handle, int code) {
    const char* text = handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle);
    switch (code & 0xff) {
        case SQLITE_FULL:
            return fail(ErrorKind::storage_full, "storage_full",
                        "No space left to write the ledger. Free some space and try again.",
                        Verdict::retry);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return fail(ErrorKind::unavailable, "ledger_busy",
                        "Another program holds the ledger's file. Close it and try again.",
                        Verdict::retry);
        default:
            return fail(
                ErrorKind::internal, "ledger_error",
                fmt::format("The ledger cannot be read or written: {} (SQLite {}).", text, code));
    }
}

}  // namespace

Statement::Statement(sqlite3* database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_parameter_(other.next_parameter_),
      next_column_(other.next_column_),
      bind_error_(other.bind_error_) {}

Statement::~Statement() {
    if (statement_ != nullptr) {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
}

Statement& Statement::bind(int64_t value) {
    bind_error_ |= sqlite3_bind_int64(statement_, next_parameter_++, value);
    return *this;
}

Statement& Statement::bind(std::string_view text) {
    // A null pointer would bind NULL.
    const char* data = text.data() == nullptr ? "" : text.data();
    bind_error_ |= sqlite3_bind_text64(statement_, next_parameter_++, data, text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
}

Statement& Statement::bind_blob(std::span<const uint8_t> bytes) {
    bind_error_ |= sqlite3_bind_blob64(statement_, next_parameter_++, bytes.data(), bytes.size(),
                                       SQLITE_TRANSIENT);
    return *this;
}

Statement& Statement::bind_null() {
    bind_error_ |= sqlite3_bind_null(statement_, next_parameter_++);
    return *this;
}

Result<bool> Statement::step() {
    if (bind_error_ != SQLITE_OK) {
        return database_error(database_, bind_error_);
    }
    next_column_ = 0;
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    return database_error(database_, sqlite3_extended_errcode(database_));
}

Result<void> Statement::run() {
    while (true) {
        RH_ASSIGN(const bool row, step());
        if (!row) {
            return {};
        }
    }
}

int64_t Statement::take_integer() { return sqlite3_column_int64(statement_, next_column_++); }

std::optional<int64_t> Statement::take_optional_integer() {
    const bool is_null = sqlite3_column_type(statement_, next_column_) == SQLITE_NULL;
    const int64_t value = take_integer();
    return is_null ? std::nullopt : std::optional(value);
}

std::string Statement::take_text() {
    const auto* text = sqlite3_column_text(statement_, next_column_);
    const auto bytes = static_cast<size_t>(sqlite3_column_bytes(statement_, next_column_));
    ++next_column_;
    return text == nullptr ? std::string()
                           : std::string(reinterpret_cast<const char*>(text), bytes);
}

std::string Statement::take_blob() {
    const void* data = sqlite3_column_blob(statement_, next_column_);
    const auto bytes = static_cast<size_t>(sqlite3_column_bytes(statement_, next_column_));
    ++next_column_;
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), bytes);
}

Result<Database> Database::open(const std::string& path) {
    sqlite3* handle = nullptr;
    // The ledger's mutex serialises all use, so SQLite need not lock by itself.
    const int code =
        sqlite3_open_v2(path.c_str(), &handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    if (code != SQLITE_OK) {
        auto error = database_error(handle, code);
        sqlite3_close_v2(handle);
        return error;
    }
    Database database(handle);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, 10'000);
    RH_TRY(
        database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                         "PRAGMA trusted_schema=OFF;"));
    return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), statements_(std::move(other.statements_)) {
    other.statements_.clear();
}

Database::~Database() {
    for (const auto& [sql, statement] : statements_) {
        sqlite3_finalize(statement);
    }
    sqlite3_close_v2(handle_);
}

Result<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return database_error(handle_, code);
    }
    return {};
}

Result<Statement> Database::use(std::string_view sql) {
    sqlite3_stmt*& statement = statements_[sql.data()];
    if (statement == nullptr) {
        const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
        if (code != SQLITE_OK) {
            return database_error(handle_, code);
        }
    }
    return Statement(handle_, statement);
}

int64_t Database::changes() const { return sqlite3_changes64(handle_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Result<Transaction> Transaction::begin(Database& database) {
    RH_ASSIGN(Statement statement, database.use("BEGIN IMMEDIATE"));
    RH_TRY(statement.run());
    return Transaction(database);
}

Transaction::~Transaction() {
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (database_ != nullptr && database_->in_transaction()) {
        // Nothing more can be done about a rollback that fails: the next BEGIN will say so.
        [[maybe_unused]] const auto rolled_back = database_->execute("ROLLBACK");
    }
}

Result<void> Transaction::commit() {
    RH_ASSIGN(Statement statement, database_->use("COMMIT"));
    RH_TRY(statement.run());
    database_ = nullptr;
    return {};
}

}  // namespace rh::uploads
