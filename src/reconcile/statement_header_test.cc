#include "reconcile/statement_header.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "reconcile/scan_for_test.h"

namespace rh::reconcile {
namespace {

// The delimiter, or the error's code.
std::string judged(const std::string& bytes, Charset charset = Charset::utf8,
                   std::optional<char> delimiter = std::nullopt) {
    const std::string path = testing::TempDir() + "/statement_header_test.csv";
    std::ofstream(path, std::ios::binary) << bytes;
    const auto header = read_statement_header(path, charset, delimiter);
    return header ? std::string(1, *header) : header.error().code;
}

std::string with_delimiter(char delimiter) {
    std::string text(kHeader);
    std::ranges::replace(text, ',', delimiter);
    return text + "\nx\n";
}

std::string utf16(const std::string& text) {
    std::string wide;
    for (const char c : text) {
        wide += '\0';
        wide += c;
    }
    return wide;
}

TEST(StatementHeader, FindsTheDelimiterInAnyEncoding) {
    for (const char delimiter : {',', ';', '\t', '|'}) {
        EXPECT_EQ(judged(with_delimiter(delimiter)), std::string(1, delimiter));
        EXPECT_EQ(judged(utf16(with_delimiter(delimiter)), Charset::utf16be),
                  std::string(1, delimiter));
    }
    EXPECT_EQ(judged(with_delimiter(';'), Charset::utf8, ';'), ";");
}

TEST(StatementHeader, FindsTheDelimiterBehindBlankLines) {
    for (const char delimiter : {',', ';', '\t', '|'}) {
        for (const std::string_view before : {"\n", "\r\n\r\n", " \n", " \r\n\n  \n ", "  "}) {
            EXPECT_EQ(judged(std::string(before) + with_delimiter(delimiter)),
                      std::string(1, delimiter))
                << '"' << before << '"';
        }
    }
}

TEST(StatementHeader, RefusesWhatIsNone) {
    EXPECT_EQ(judged("a,b\n1,2\n"), "missing_column");
    EXPECT_EQ(judged(with_delimiter(';'), Charset::utf8, ','), "missing_column");
    EXPECT_EQ(judged(std::string(kHeader) + ",USER_ID\nx\n"), "duplicate_column");
    EXPECT_EQ(judged("\n \n"), "empty_file");
    EXPECT_EQ(judged(std::string(kHeader)), "no_rows");
    EXPECT_EQ(judged(std::string(kHeader) + "\n\n"), "no_rows");
}

TEST(StatementHeader, ReadsNoFurtherThanItMust) {
    const std::string fill(2 * kHeaderBytesMax, 'x');
    EXPECT_EQ(judged(fill), "header_unreadable");
    EXPECT_EQ(judged("\"" + fill + "\n" + fill), "header_unreadable");
    EXPECT_EQ(judged(std::string(kHeader) + "\n" + fill), ",");
}

}  // namespace
}  // namespace rh::reconcile
