// Operating errors as values. A function that can fail for a reason outside the program returns
// Result<T>; a bad CSV row is data (model/reject.h) and never an Error; a broken invariant of the
// program itself is RH_ASSERT (base/assert.h). The HTTP layer maps Error to problem+json and the
// CLI maps it to an exit code, both by `kind`, in one exhaustive switch each.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace rh {

// Closed list. Each kind is one HTTP status (http/problem.cc) and one CLI exit code.
enum class ErrorKind : uint8_t {
    invalid_request,  // 400: the caller must change the request
    unauthorized,     // 401
    forbidden,        // 403
    not_found,        // 404
    conflict,         // 409
    too_large,        // 413
    unsupported,      // 415
    invalid_content,  // 422: well-formed request, unusable file
    busy,             // 429: a limit of simultaneous work is reached
    internal,         // 500: a bug or a broken machine
    unavailable,      // 503: a dependency does not answer
    storage_full,     // 507
};

// What the caller may do about it.
enum class Verdict : uint8_t { give_up, retry };

struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string code;     // stable snake_case word of the API, e.g. "missing_column"
    std::string message;  // one or two sentences: what happened, and what to do about it
    Verdict verdict = Verdict::give_up;
    // Of an answer of another server: by what its log is searched, and when to try again.
    std::string trace_id = {};
    std::optional<unsigned> retry_after_s = {};
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string code,
                                                 std::string message,
                                                 Verdict verdict = Verdict::give_up) {
    return std::unexpected(Error{
        .kind = kind, .code = std::move(code), .message = std::move(message), .verdict = verdict});
}

}  // namespace rh

#define RH_CONCAT_(a, b) a##b
#define RH_CONCAT(a, b) RH_CONCAT_(a, b)

// RH_TRY(expr): returns the error of a Result<void> (or of any Result whose value is not needed).
#define RH_TRY(expr)                                                  \
    do {                                                              \
        auto&& rh_try_result = (expr);                                \
        if (!rh_try_result) {                                         \
            return std::unexpected(std::move(rh_try_result).error()); \
        }                                                             \
    } while (false)

// RH_ASSIGN(auto value, expr): declares `value` from a Result, or returns its error.
#define RH_ASSIGN(decl, expr) RH_ASSIGN_(RH_CONCAT(rh_result_, __LINE__), decl, expr)
#define RH_ASSIGN_(tmp, decl, expr)                     \
    auto tmp = (expr);                                  \
    if (!tmp) {                                         \
        return std::unexpected(std::move(tmp).error()); \
    }                                                   \
    decl = std::move(*tmp)
