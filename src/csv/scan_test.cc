#include "csv/scan.h"

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace rh::csv {
namespace {

struct Scanned {
    std::vector<uint32_t> index;
    std::vector<uint32_t> ends;
    std::vector<uint8_t> flags;
    bool operator==(const Scanned&) const = default;
};

Scanned scan_with(ScanFunction scan, const std::string& text, char delimiter) {
    const size_t blocks = text.size() / kBlockBytes;
    Scanned s{std::vector<uint32_t>(text.size() + 8), std::vector<uint32_t>(text.size()),
              std::vector<uint8_t>(blocks)};
    ScanState state;
    ScanOutput out{s.index.data(), 0, s.ends.data(), 0, s.flags.data()};
    scan(text.data(), blocks, 0, delimiter, state, out);
    s.index.resize(out.index_count);
    s.ends.resize(out.end_count);
    return s;
}

// The state a reader of RFC 4180 is in, byte by byte, written apart from the program.
Scanned slowly(const std::string& text, char delimiter) {
    enum { field_start, plain, quoted, quote_seen } state = field_start;
    Scanned s;
    s.flags.assign(text.size() / kBlockBytes, 0);
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        s.flags[i / kBlockBytes] |= c == '"' ? kHasQuote : 0;
        s.flags[i / kBlockBytes] |= static_cast<unsigned char>(c) > 127 ? kHasNonAscii : 0;
        if (state == quoted) {
            s.flags[i / kBlockBytes] |= c == '\n' || c == '\r' ? kHasInnerBreak : 0;
            state = c == '"' ? quote_seen : quoted;
        } else if (c == delimiter || c == '\n' || c == '\r') {
            if (c != delimiter) {
                s.ends.push_back(static_cast<uint32_t>(s.index.size()));
            }
            s.index.push_back(static_cast<uint32_t>(i));
            state = field_start;
        } else {
            state = c == '"' && state != plain ? quoted : plain;
        }
    }
    return s;
}

TEST(Scan, TheWorkedExampleOfTheHeader) {
    std::string text = "a,\"b,\",\n";
    text.resize(kBlockBytes, 'x');
    const Scanned s = scan_with(scan_scalar, text, ',');
    EXPECT_EQ(s.index, (std::vector<uint32_t>{1, 6, 7}));
    EXPECT_EQ(s.ends, (std::vector<uint32_t>{2}));
    EXPECT_EQ(s.flags, (std::vector<uint8_t>{kHasQuote}));
}

TEST(Scan, BothTargetsFindWhatASlowReaderFinds) {
    const char* given = std::getenv("RH_TEST_SEED");
    const uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("RH_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 engine(seed);
    const std::string alphabets[] = {"ab,\"\n", "aaaaaaaaaaaaaaaaaaa,,\n\"", "\",\r\n",
                                     "a\"",     "abcdefgh;,\t|\xc3\xa9\r\n", ",\n"};
    for (int n = 0; n < 20'000; ++n) {
        const std::string& alphabet = alphabets[engine() % std::size(alphabets)];
        std::string text((1 + engine() % 5) * kBlockBytes, 'x');
        for (char& c : text) {
            c = alphabet[engine() % alphabet.size()];
        }
        const Scanned want = slowly(text, ',');
        ASSERT_EQ(scan_with(scan_scalar, text, ','), want) << text;
        ASSERT_EQ(scan_with(scan_function(ScanTarget::best), text, ','), want) << text;
    }
}

TEST(Scan, ThisMachineTestsTheFastTarget) {
    // Where the CPU cannot run it, both names are the scalar one, and that is all there is to test.
    EXPECT_EQ(scan_function(ScanTarget::best), cpu_has_avx2() ? scan_avx2 : scan_scalar);
    EXPECT_EQ(scan_function(ScanTarget::scalar), scan_scalar);
}

}  // namespace
}  // namespace rh::csv
