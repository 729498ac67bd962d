#include "base/log.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/harmless.h"

namespace rh {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string logged(LogFormat format, std::string_view message, std::string_view value) {
    log_init(LogLevel::info, format);
    ::testing::internal::CaptureStderr();
    log_event(LogLevel::info, message, {{"file", value}, {"rows", 3}});
    std::string line = ::testing::internal::GetCapturedStderr();
    log_init(LogLevel::info, LogFormat::automatic);
    return line;
}

TEST(Harmless, ControlCharactersAreWritten) {
    EXPECT_EQ(harmless("a\x1b[2J\nb\r\t\x7f"), "a\\x1b[2J\\nb\\r\\t\\x7f");
    EXPECT_EQ(harmless(std::string_view("\0", 1)), "\\x00");
    EXPECT_EQ(harmless("\xc2\x9b"
                       "2J"),
              "\\u009b2J");
    EXPECT_EQ(harmless("\x9b"
                       "2J \xc2"),
              "\\x9b2J \\xc2");
}

TEST(Harmless, AllElseStays) {
    for (const std::string_view text : {"", "C:\\x1b", "Brücke – 骰子 🎲", "\xc2\xa0", "a=\"b\""}) {
        EXPECT_EQ(harmless(text), text);
    }
}

TEST(Harmless, OnlyIndentedLinesOfAMessageAreLines) {
    EXPECT_EQ(harmless_lines("one\n  two\x1b\n  three"), "one\n  two\\x1b\n  three");
    EXPECT_EQ(harmless_lines("one\nroundhouse: stored\n"), "one\\nroundhouse: stored\\n");
}

TEST(Log, AValueIsNeverAnotherKeyOrLine) {
    const auto text = [](std::string_view value) { return logged(LogFormat::text, "done", value); };
    EXPECT_THAT(text("a.csv"), EndsWith("info    done file=a.csv rows=3\n"));
    EXPECT_THAT(text(""), EndsWith("done file=\"\" rows=3\n"));
    EXPECT_THAT(text("a b=1"), EndsWith("done file=\"a b=1\" rows=3\n"));
    EXPECT_THAT(text("a\" rows=9 \\"), EndsWith("done file=\"a\\\" rows=9 \\\\\" rows=3\n"));
    EXPECT_THAT(text("a\n2026\x1b[1A\xc2\x85"),
                EndsWith("done file=\"a\\n2026\\x1b[1A\\u0085\" rows=3\n"));
    EXPECT_THAT(logged(LogFormat::text, "of\na\x1b", "x"), EndsWith("of\\na\\x1b file=x rows=3\n"));
}

TEST(Log, JsonHasNoControlCharactersEither) {
    EXPECT_THAT(logged(LogFormat::json, "done", "a\x1b\n\x7f\xc2\x9b"),
                HasSubstr(R"("file":"a\u001b\u000a\u007f\u009b","rows":3})"));
    EXPECT_THAT(logged(LogFormat::json, "done",
                       "\x9b"
                       "2J é"),
                HasSubstr("\"file\":\"\xef\xbf\xbd"
                          "2J é\""));
}

}  // namespace
}  // namespace rh
