// The reader against a naive one: byte by byte, with a state of its own, written from
// docs/formats/csv.md and sharing no code with the scan, the splitter or the field parsers. Random
// files are small and full of quotes and line ends; RH_TEST_SEED replays one.
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "csv/collector.h"

namespace rh::csv {
namespace {

using testing::read_csv;

struct NaiveRecord {
    std::vector<std::string> fields;  // without quotes
    std::vector<bool> bad;            // a stray quote stands in it
    uint64_t line = 0;
    uint64_t line_last = 0;
    bool unclosed = false;
    bool blank = false;
};

// Cuts a file by the rules of RFC 4180 and of the document, and nothing else.
std::vector<NaiveRecord> naive_records(const std::string& s, char delimiter) {
    std::vector<NaiveRecord> out;
    size_t i = 0;
    uint64_t line = 1;
    while (i < s.size()) {
        NaiveRecord r;
        r.line = line;
        const size_t start = i;
        bool open = false;
        while (true) {
            std::string text;
            bool bad = false;
            const size_t field_start = i;
            if (i < s.size() && s[i] == '"') {
                ++i;
                open = true;
                while (i < s.size()) {
                    if (s[i] == '"' && i + 1 < s.size() && s[i + 1] == '"') {
                        text += '"';
                        i += 2;
                    } else if (s[i] == '"') {
                        ++i;
                        open = false;
                        break;
                    } else {
                        line += s[i] == '\n' ||
                                        (s[i] == '\r' && !(i + 1 < s.size() && s[i + 1] == '\n'))
                                    ? 1
                                    : 0;
                        text += s[i++];
                    }
                }
            }
            while (i < s.size() && s[i] != delimiter && s[i] != '\n' && s[i] != '\r') {
                // Text behind a closing quote, or a field without quotes: a quote here is stray.
                bad |= s[i] == '"' || (field_start < i && s[field_start] == '"');
                text += s[i++];
            }
            r.fields.push_back(bad || open ? s.substr(field_start, i - field_start) : text);
            r.bad.push_back(bad);
            if (i < s.size() && s[i] == delimiter) {
                ++i;
                continue;
            }
            break;
        }
        r.unclosed = open;
        r.line_last = line;
        if (open && (s.back() == '\n' || s.back() == '\r')) {
            --r.line_last;
        }
        r.blank = s.substr(start, i - start).find_first_not_of(" \t") == std::string::npos &&
                  r.fields.size() == 1;
        out.push_back(r);
        if (i < s.size()) {
            i += s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n' ? 2 : 1;
            ++line;
        }
    }
    return out;
}

bool only_blanks(const std::string& v) { return v.find_first_not_of(" \t") == std::string::npos; }

// What is wrong with a value out of `random_file`, whose numbers are all good or nonsense.
std::optional<model::RejectCode> naive_fault(size_t column, const std::string& v) {
    using enum model::RejectCode;
    const auto unless = [](bool good, model::RejectCode code) {
        return good ? std::nullopt : std::optional(code);
    };
    switch (column) {
        case 0:
            return unless(v == "2019-10-22 08:20:41",
                          only_blanks(v) ? missing_value : bad_timestamp);
        case 1:
        case 3:
            return unless(v == "7", only_blanks(v) ? missing_value : bad_integer);
        case 2:
            return v.empty() ? missing_value
                   : v.size() > 128
                       ? text_too_long
                       : unless(v.find_first_of("\r\n\t") == std::string::npos, control_character);
        case 8:
        case 9:  // a quoted field that swallows lines can get too long
            return unless(v.size() <= 256, text_too_long);
        default:
            return unless(v == "0.25" || v == "7" || only_blanks(v), bad_decimal);
    }
}

// What the reader should say about files whose values come from `random_file`: its numbers are all
// good or nonsense, so that this oracle is about structure.
std::string expected(const std::string& file, char delimiter) {
    testing::Outcome o;
    bool header = false;
    for (const NaiveRecord& r : naive_records(file, delimiter)) {
        if (r.blank) {
            ++o.report.rows.blank;
            continue;
        }
        if (!header) {
            header = true;
            continue;
        }
        const uint64_t number = ++o.report.rows.read;
        model::Reject reject{r.line, r.line_last, number, {}};
        const auto fault = [&](model::RejectCode code, int column, const std::string& value) {
            reject.faults.push_back({code, static_cast<int8_t>(column), value.substr(0, 256), ""});
        };
        if (r.unclosed) {
            const size_t last = r.fields.size() - 1;
            fault(model::RejectCode::unclosed_quote, last < 10 ? static_cast<int>(last) : -1,
                  r.fields[last]);
        } else if (r.fields.size() != 10) {
            const std::string whole;
            fault(model::RejectCode::field_count, -1, whole);
            for (size_t f = 0; f < r.fields.size(); ++f) {
                if (r.bad[f]) {
                    fault(model::RejectCode::bad_quote, -1, r.fields[f]);
                    break;
                }
            }
        } else {
            for (size_t f = 0; f < 10; ++f) {
                const auto code =
                    r.bad[f] ? model::RejectCode::bad_quote : naive_fault(f, r.fields[f]);
                if (code) {
                    fault(*code, static_cast<int>(f), r.fields[f]);
                }
            }
        }
        if (!reject.faults.empty()) {
            ++o.report.rows.rejected;
            o.found.rejects.push_back(reject);
            continue;
        }
        ++o.report.rows.accepted;
        testing::Row row{number, 1571732441000, 7, r.fields[2], 7, {}, r.fields[8], r.fields[9]};
        for (size_t a = 0; a < 4; ++a) {
            row.amount[a] = only_blanks(r.fields[4 + a]) ? 0 : 250'000;
        }
        o.found.rows.push_back(row);
    }
    o.error = !header ? "empty_file" : o.report.rows.read == 0 ? "no_rows" : "";
    return testing::describe(o);
}

class Random {
  public:
    explicit Random(uint64_t seed) : engine_(seed) {}
    size_t below(size_t n) { return engine_() % n; }
    bool one_in(size_t n) { return below(n) == 0; }
    template <class T>
    const T& pick(const std::vector<T>& of) {
        return of[below(of.size())];
    }

  private:
    std::mt19937_64 engine_;
};

std::string random_text(Random& random) {
    static const std::vector<std::string> kPieces = {
        "a",        "Play'n GO",  "x\"y",
        "\"",       "\"\"",       "\"a\"\"b\"",
        "\"a\nb\"", "\"\r\n\"",   "\"a,b\"",
        "\"c\"d",   "\"e\"\"",    ";",
        "|",        " ",          "long enough to pass the border of a block of sixty-four bytes",
        "\"\r\"",   "\"quoted\"", "e\"",
        "\"f\" ",   "\"\"\"\""};
    std::string text;
    for (size_t n = random.below(3); n > 0; --n) {
        text += random.one_in(2) ? std::string(random.below(70), 'p') : random.pick(kPieces);
    }
    return text;
}

std::string random_file(Random& random, char delimiter) {
    static const std::vector<std::string> kEnds = {"\n", "\r\n", "\r"};
    const bool mixed = random.one_in(3);
    const std::string end = random.pick(kEnds);
    const auto line_end = [&] { return mixed ? random.pick(kEnds) : end; };
    static const std::vector<std::string> kGood = {
        "2019-10-22 08:20:41", "7", "user", "7", "0.25", "0.25", "", "0.25", "Game", "Maker"};
    std::string file;
    for (size_t c = 0; c < 10; ++c) {
        file +=
            std::string(model::kColumnNames[c]) + (c == 9 ? line_end() : std::string(1, delimiter));
    }
    for (size_t n = random.below(12); n > 0; --n) {
        if (random.one_in(12)) {
            file += random.pick(std::vector<std::string>{"", " ", "\t", "\"\"", ","}) + line_end();
            continue;
        }
        const size_t fields = random.one_in(8) ? 1 + random.below(13) : 10;
        for (size_t f = 0; f < fields; ++f) {
            std::string value = f < 10 ? kGood[f] : "more";
            const bool text = f == 2 || f >= 8;
            if (random.one_in(text ? 2 : 20)) {
                value = random_text(random);
            } else if (random.one_in(4)) {
                value.insert(0, 1, '"');
                value += '"';
            }
            file += value;
            if (f + 1 < fields) {
                file += delimiter;
            }
        }
        file += n == 1 && random.one_in(2) ? "" : line_end();
    }
    return file;
}

// The value of field_count is the raw record, which the oracle does not keep.
std::string without_record(std::string text) {
    const std::string word = "field_count@-1[";
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        // To the next fault or the end of the reject.
        const size_t next = std::min(text.find("] bad_quote@", at), text.find("]\nre", at));
        const size_t last = text.size() - 2;
        const size_t end = std::min(next, last);
        text.erase(at + word.size(), end - at - word.size());
    }
    return text;
}

constexpr int kFiles = 24'000;

TEST(Oracle, RandomFilesReadTheSameForEveryTargetAndEveryCut) {
    const uint64_t seed = test_seed();
    size_t accepted = 0;
    size_t rejected = 0;
    for (int n = 0; n < kFiles; ++n) {
        Random random(seed + static_cast<uint64_t>(n) * 7919);
        const char delimiter = random.pick(std::vector<char>{',', ',', ';', '\t', '|'});
        const std::string file = random_file(random, delimiter);
        Options options;
        options.delimiter = delimiter;
        const testing::Outcome best = read_csv(file, options);
        const std::string text = describe(best);
        ASSERT_EQ(without_record(text), without_record(expected(file, delimiter)))
            << "file " << n << ":\n"
            << file;
        const size_t most = random.one_in(2) ? 3 : 200;
        const auto cut = [&] { return 1 + random.below(most); };
        for (const Target target : usable_targets()) {
            const Work alone{.target = target, .chunk_bytes = 1 + random.below(300)};
            ASSERT_EQ(describe(read_csv(file, options, alone, cut)), text)
                << static_cast<int>(target) << file;
        }
        accepted += best.report.rows.accepted;
        rejected += best.report.rows.rejected;
    }
    // The files must be about both.
    EXPECT_GT(accepted, size_t{kFiles});
    EXPECT_GT(rejected, size_t{kFiles});
}

// What several threads find is put together again: rows, rejects and lines are those of one thread.
TEST(Oracle, RandomFilesReadTheSameOnSeveralThreads) {
    const uint64_t seed = test_seed();
    for (int n = 0; n < kFiles / 20; ++n) {
        Random random(seed + static_cast<uint64_t>(n) * 7919);
        std::string file;
        while (file.size() < 5000) {
            const std::string part = random_file(random, ',');
            // Further headers are rows like any others.
            file += part + (random.one_in(4) ? "" : "\n");
        }
        const std::string text = describe(read_csv(file));
        const auto cut = [&] { return 1 + random.below(2000); };
        const Work work{.threads = 2 + static_cast<unsigned>(random.below(2)),
                        .chunk_bytes = 1 + random.below(1500)};
        ASSERT_EQ(describe(read_csv(file, {}, work, cut)), text)
            << n << ": " << work.threads << " threads, chunks of " << work.chunk_bytes;
    }
}

TEST(Oracle, EveryCutOfSmallFilesGivesTheSame) {
    for (uint64_t n = 0; n < 12; ++n) {
        Random random(n + 1);
        const std::string file = random_file(random, ',').substr(0, 700);
        const std::string whole = describe(read_csv(file));
        for (size_t at = 1; at < file.size(); ++at) {
            bool first = true;
            const auto cut = [&] { return std::exchange(first, false) ? at : file.size(); };
            ASSERT_EQ(describe(read_csv(file, {}, Work{}, cut)), whole) << at << file;
        }
        ASSERT_EQ(describe(read_csv(file, {}, Work{}, [] { return size_t{1}; })), whole);
    }
}

}  // namespace
}  // namespace rh::csv
