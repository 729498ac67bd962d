#include "csv/scan.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/test_seed.h"

namespace rh::csv {
namespace {

struct Scanned {
    std::vector<uint32_t> index;
    std::vector<uint32_t> ends;
    std::vector<uint8_t> flags;  // of each record, that without an end last
    bool operator==(const Scanned&) const = default;
};

Scanned scan_with(ScanFunction scan, const std::string& text, char delimiter) {
    const size_t blocks = text.size() / kBlockBytes;
    Scanned s{std::vector<uint32_t>(text.size() + kIndexSlack), std::vector<uint32_t>(text.size()),
              std::vector<uint8_t>(text.size())};
    ScanState state;
    ScanOutput out{s.index.data(), 0, s.ends.data(), s.flags.data(), 0};
    scan(text.data(), blocks, 0, delimiter, state, out);
    s.index.resize(out.index_count);
    s.ends.resize(out.end_count);
    s.flags.resize(out.end_count);
    s.flags.push_back(state.flags);
    return s;
}

// The state a reader of RFC 4180 is in, byte by byte, written apart from the program.
Scanned slowly(const std::string& text, char delimiter) {
    enum { field_start, plain, quoted, quote_seen } state = field_start;
    Scanned s;
    s.flags.assign(1, 0);
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        s.flags.back() |= c == '"' ? kHasQuote : 0;
        s.flags.back() |= static_cast<unsigned char>(c) > 127 ? kHasNonAscii : 0;
        if (state == quoted) {
            s.flags.back() |= c == '\n' || c == '\r' ? kHasInnerBreak : 0;
            state = c == '"' ? quote_seen : quoted;
        } else if (c == delimiter || c == '\n' || c == '\r') {
            if (c != delimiter) {
                s.ends.push_back(static_cast<uint32_t>(s.index.size()));
                s.flags.push_back(0);
            }
            s.index.push_back(static_cast<uint32_t>(i));
            state = field_start;
        } else {
            s.flags.back() |= c == '"' && state == plain ? kMayHaveStrayQuote : 0;
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
    EXPECT_EQ(s.flags, (std::vector<uint8_t>{kHasQuote, 0}));
}

TEST(Scan, AllTargetsFindWhatASlowReaderFinds) {
    const uint64_t seed = test_seed();
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
        for (const Target target : usable_targets()) {
            Scanned got = scan_with(scan_function(target), text, ',');
            ASSERT_EQ(got.flags.size(), want.flags.size()) << text;
            for (size_t r = 0; r < got.flags.size(); ++r) {
                got.flags[r] &= want.flags[r] | ~kMayHaveStrayQuote;  // more of it may be set
            }
            ASSERT_EQ(got, want) << static_cast<int>(target) << text;
        }
    }
}

TEST(Scan, EachTargetHasAFunctionOfItsOwn) {
    EXPECT_EQ(scan_function(Target::scalar), scan_scalar);
    EXPECT_EQ(scan_function(Target::avx2), scan_avx2);
    EXPECT_EQ(scan_function(Target::avx512), scan_avx512);
    EXPECT_EQ(usable_targets().back(), best_target());
}

}  // namespace
}  // namespace rh::csv
