// A thin holder of SQLite for the ledger alone: prepared statements are kept and used again, errors
// become Result. Not thread-safe: the ledger's mutex is held around every use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace rh::uploads {

// One use of a prepared statement; it is reset when this ends. Parameters count from 1, columns
// from 0. A bind that fails shows at step().
class Statement {
  public:
    Statement(sqlite3* database, sqlite3_stmt* statement);
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    Statement& bind(int64_t value);
    Statement& bind(std::string_view text);
    Statement& bind_blob(std::span<const uint8_t> bytes);
    Statement& bind_null();
    Statement& bind(std::optional<int64_t> value) { return value ? bind(*value) : bind_null(); }

    Result<bool> step();  // true: a row is there
    Result<void> run();   // to the end, for statements without rows

    // The columns of the row, from left to right.
    int64_t take_integer();
    uint64_t take_count() { return static_cast<uint64_t>(take_integer()); }
    bool take_flag() { return take_integer() != 0; }
    std::optional<int64_t> take_optional_integer();
    std::string take_text();
    std::string take_blob();  // empty for null

  private:
    sqlite3* database_;
    sqlite3_stmt* statement_;
    int next_parameter_ = 1;
    int next_column_ = 0;
    int bind_error_ = 0;
};

class Database {
  public:
    // Opens or creates the file: WAL, synchronous=FULL, foreign keys, a busy timeout of 10 s.
    static Result<Database> open(const std::string& path);
    Database(Database&& other) noexcept;
    Database& operator=(Database&&) = delete;
    ~Database();

    Result<void> execute(const char* sql);  // one or more statements without parameters
    // `sql` must be a string literal: its address stands for the statement.
    Result<Statement> use(std::string_view sql);
    int64_t changes() const;  // rows changed by the last statement
    bool in_transaction() const;

  private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    sqlite3* handle_;
    std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

// BEGIN IMMEDIATE … commit(), or else ROLLBACK.
class Transaction {
  public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept : database_(other.database_) {
        other.database_ = nullptr;
    }
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Result<void> commit();

  private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

}  // namespace rh::uploads
