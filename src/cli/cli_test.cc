// What needs no process: the generator's determinism, texts, rows and progress lines.
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/api_client.h"
#include "cli/generator.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "cli/upload_report.h"
#include "receive/sha256.h"

namespace rh::cli {
namespace {

std::string generate(const GeneratorOptions& options,
                     OutputEncoding encoding = OutputEncoding::utf8) {
    Generator generator(options);
    std::string out(byte_order_mark(encoding));
    for (std::string text; generator.next(text); text.clear()) {
        encode(text, encoding, out);
    }
    return out;
}

std::string digest_of(const GeneratorOptions& options, OutputEncoding encoding) {
    return receive::hex(receive::sha256(generate(options, encoding)));
}

TEST(UploadText, HasNoFiguresBeforeAllOfTheFileIsRead) {
    using ::testing::HasSubstr;
    using ::testing::Not;
    boost::json::object upload{
        {"id", "56e14c68"},
        {"filename", ""},
        {"state", "validating"},
        {"rows", {{"read", 0}, {"accepted", 0}, {"rejected", 0}, {"blank", 0}}},
        {"totals", {{"real_amount_bet", "0"}}},
        {"stages", {{"accepted", nullptr}}},
        {"finished_at", nullptr}};
    EXPECT_THAT(upload_text(upload), HasSubstr("file without a name: validating as 56e14c68"));
    EXPECT_THAT(upload_text(upload), HasSubstr("not known yet; roundhouse uploads 56e14c68"));
    EXPECT_THAT(upload_text(upload), Not(HasSubstr("0 read")));
    upload["state"] = "cancelled";
    upload["finished_at"] = "2026-01-01T00:00:00Z";
    EXPECT_THAT(upload_text(upload), HasSubstr("it ended before all of it was read"));
    upload["stages"] = {{"accepted", 0}};
    EXPECT_THAT(upload_text(upload), HasSubstr("0 read = 0 accepted"));
}

TEST(UploadText, SaysWhereTheRowsThatADryRunRefusesAre) {
    boost::json::object upload{
        {"id", "56e14c68"}, {"state", "checked"}, {"rows", {{"rejected", 1}}}, {"dry_run", true}};
    EXPECT_THAT(upload_text(upload), ::testing::HasSubstr("roundhouse rejects 56e14c68"));
    upload["dry_run"] = false;  // `check`, which has no server
    EXPECT_THAT(upload_text(upload), ::testing::Not(::testing::HasSubstr("roundhouse rejects")));
}

TEST(Text, CountsHaveTheirNoun) {
    EXPECT_EQ(counted(1, "round"), "1 round");
    EXPECT_EQ(counted(0, "blank line"), "0 blank lines");
    EXPECT_EQ(counted(2'101'934, "discrepancy"), "2,101,934 discrepancies");
    EXPECT_EQ(counted(1, "discrepancy"), "1 discrepancy");
    EXPECT_EQ(counted(2, "day"), "2 days");
    EXPECT_EQ(counted(2, "box"), "2 boxes");
}

TEST(Text, ParametersBecomeFlags) {
    EXPECT_EQ(in_flags("a max_errors=3; max_errors=3 b"), "a --max-errors 3; --max-errors 3 b");
    EXPECT_EQ(in_flags("send allow_negative=true if"), "say --allow-negative if");
}

TEST(Generator, TheSameSeedGivesTheSameBytes) {
    GeneratorOptions options;
    options.rows = 5000;
    options.bad_per_million = 20'000;
    EXPECT_EQ(generate(options), generate(options));
    GeneratorOptions other = options;
    other.seed = 2;
    EXPECT_NE(generate(options), generate(other));
}

// Files of earlier versions of the program can be made again, on any machine.
TEST(Generator, BytesAreThoseOfEveryMachine) {
    GeneratorOptions options;
    options.rows = 5000;
    options.bad_per_million = 20'000;
    EXPECT_EQ(digest_of(options, OutputEncoding::utf8),
              "16916731f2e01220d1778fd2046ff05185ee65af378180bfc822799cabf81c11");
    EXPECT_EQ(digest_of(options, OutputEncoding::utf16be),
              "4afe1c2bf74353216602668d93c62d2b6e9cd4486d21becf9733dc13c1dd3be6");
    EXPECT_EQ(digest_of(options, OutputEncoding::windows1252),
              "1d7fb9aea23ae14b5da577606c420384dfd61341f69622167c42f8c715cdbe58");
}

TEST(Generator, EveryRowIsARowAndInstancesCountUp) {
    GeneratorOptions options;
    options.rows = 1000;
    const std::string text = generate(options);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1001);
    size_t at = text.find('\n') + 1;
    for (uint64_t row = 0; row < options.rows; ++row) {
        const size_t comma = text.find(',', at);
        EXPECT_EQ(text.substr(comma + 1, 5), std::to_string(20'000 + row));
        EXPECT_TRUE(text.substr(at).starts_with("2019-10-"));
        at = text.find('\n', at) + 1;
    }
}

// Slot games give back about 95 % of what is staked.
TEST(Generator, WinsAreThoseOfRealGames) {
    GeneratorOptions options;
    options.rows = 1'000'000;
    Generator generator(options);
    double staked = 0;
    double won = 0;
    size_t winners = 0;
    for (std::string text; generator.next(text); text.clear()) {
        for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
            size_t field = at;
            for (int column = 0; column < 4; ++column) {
                field = text.find(',', field) + 1;
            }
            std::array<double, 4> amounts{};
            for (double& amount : amounts) {
                amount = std::strtod(text.c_str() + field, nullptr);  // empty is 0
                amount = std::isfinite(amount) ? amount : 0;
                field = text.find(',', field) + 1;
            }
            staked += amounts[0] + amounts[1];
            won += amounts[2] + amounts[3];
            winners += amounts[2] + amounts[3] > 0 ? 1 : 0;
        }
    }
    EXPECT_NEAR(won / staked, 0.95, 0.05);
    EXPECT_NEAR(static_cast<double>(winners) / static_cast<double>(options.rows), 0.34, 0.02);
}

TEST(Generator, NoRowsIsAHeader) {
    GeneratorOptions options;
    options.rows = 0;
    EXPECT_TRUE(generate(options).ends_with("game_name,provider\n"));
}

TEST(Generator, OneBadRowInTwo) {
    GeneratorOptions options;
    options.rows = 10'000;
    options.bad_per_million = 500'000;
    Generator generator(options);
    for (std::string text; generator.next(text); text.clear()) {
    }
    EXPECT_GT(generator.bad_rows(), 4500U);
    EXPECT_LT(generator.bad_rows(), 5500U);
}

TEST(Encode, CharactersOfEachLength) {
    std::string out;
    encode("aé€\xFF\U0001F3B2", OutputEncoding::utf16be, out);
    EXPECT_EQ(out, std::string("\0a\0\xE9\x20\xAC\xD8\0\xD8\x3C\xDF\xB2", 12));
    out.clear();
    encode("aé€\xFF", OutputEncoding::utf16le, out);
    EXPECT_EQ(out, std::string("a\0\xE9\0\xAC\x20\0\xD8", 8));
    out.clear();
    encode("aé€\xFF", OutputEncoding::windows1252, out);
    EXPECT_EQ(out, "a\xE9\x80\x81");
}

TEST(Text, NumbersAndSizes) {
    EXPECT_EQ(with_commas(0), "0");
    EXPECT_EQ(with_commas(999), "999");
    EXPECT_EQ(with_commas(1000), "1,000");
    EXPECT_EQ(with_commas(2'101'934), "2,101,934");
    EXPECT_EQ(byte_size(999), "999 bytes");
    EXPECT_EQ(byte_size(1000), "1.0 kB");
    EXPECT_EQ(byte_size(224'100'000), "224.1 MB");
    EXPECT_EQ(byte_size(999'999), "1.0 MB");
}

TEST(Text, Delimiters) {
    EXPECT_EQ(parse_delimiter("tab"), '\t');
    EXPECT_EQ(parse_delimiter("\\t"), '\t');
    EXPECT_EQ(parse_delimiter(";"), ';');
    EXPECT_FALSE(parse_delimiter("").has_value());
    EXPECT_FALSE(parse_delimiter(":").has_value());
    EXPECT_FALSE(parse_delimiter(",,").has_value());
}

TEST(Text, AmountsStandWithTheirPointsBelowEachOther) {
    EXPECT_EQ(aligned_amount("39115.00182", 20), "        39115.00182 ");
    EXPECT_EQ(aligned_amount("7", 20), "            7       ");
    EXPECT_EQ(aligned_amount("-999999999999.999999", 20), "-999999999999.999999");
}

TEST(CsvCell, QuotesAndGuards) {
    EXPECT_EQ(csv_cell("plain"), "plain");
    EXPECT_EQ(csv_cell("a,b"), "\"a,b\"");
    EXPECT_EQ(csv_cell("a\"b"), "\"a\"\"b\"");
    EXPECT_EQ(csv_cell("=1+1"), "'=1+1");
    EXPECT_EQ(csv_cell("-1.5"), "-1.5");
    EXPECT_EQ(csv_cell("-1.5x"), "'-1.5x");
    EXPECT_EQ(csv_cell("@a,b"), "\"'@a,b\"");
}

TEST(ProgressLine, BarPercentAndRate) {
    const std::string line =
        progress_line({"rounds.csv", "sending", 50'000'000, 100'000'000, true, 1.0}, 100);
    EXPECT_THAT(line, testing::HasSubstr("rounds.csv  sending"));
    EXPECT_THAT(line, testing::HasSubstr(" 50 %  50.0 MB of 100.0 MB  50.0 MB/s"));
    EXPECT_THAT(line, testing::HasSubstr("=>"));
    EXPECT_LE(line.size(), 100U);
}

TEST(ProgressLine, NeverWiderThanTheTerminal) {
    for (size_t width = 0; width < 120; ++width) {
        for (const uint64_t done : {0U, 1U, 50U, 99U, 100U, 150U}) {
            EXPECT_LE(progress_line({"rounds.csv", "storing", done, 100, false, 3.0}, width).size(),
                      width);
        }
    }
}

TEST(ProgressLine, NoBarWithoutAnEnd) {
    EXPECT_EQ(progress_line({"rounds.csv", "comparing", 0, 0, false, 12.2}, 80),
              "rounds.csv  comparing   12 s");
    const std::string line = progress_line({"stdin", "sending", 1000, 0, true, 0.1}, 80);
    EXPECT_THAT(line, testing::Not(testing::HasSubstr("%")));
    EXPECT_THAT(line, testing::HasSubstr("1.0 kB"));
}

}  // namespace
}  // namespace rh::cli
