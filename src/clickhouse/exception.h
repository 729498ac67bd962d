// ClickHouse's exceptions as they come over HTTP: as the whole body of a failed answer, or inside a
// body of status 200, when a query fails after its first bytes were sent. In the second case the
// answer's header X-ClickHouse-Exception-Tag gives a random word T, and the body ends with
//   \r\n__exception__\r\nT\r\n<text>\n<length of text + 1> T\r\n__exception__\r\n
// so data that merely looks like an exception is never taken for one.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::clickhouse {

// The Error for an exception's text ("Code: 60. DB::Exception: … (version …)"). The kind follows
// ClickHouse's number; stack trace and version are left out.
Error exception_error(std::string_view text);

// Splits a body that comes in pieces into data and exception.
class ExceptionFilter {
  public:
    explicit ExceptionFilter(std::string_view tag);  // empty: the body is passed on as it is
    // Bytes that are surely data, valid until the next call; may be empty although more will come.
    std::string_view push(std::string_view piece);
    // After the last piece: the bytes still held back, or the exception.
    Result<std::string_view> finish();
    bool found() const { return found_; }

  private:
    std::string marker_;
    std::string tag_;
    std::string held_;   // a suffix that may begin the marker; after it, the exception's text
    std::string ready_;  // what push handed out last
    bool found_ = false;
};

}  // namespace rh::clickhouse
