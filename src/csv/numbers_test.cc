// Numbers as each target reads them against the long way of csv/fields.h, which reads every form
// character by character. RH_TEST_SEED replays a run.
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "base/test_seed.h"
#include "csv/row.h"

namespace rh::csv {
namespace {

constexpr size_t kInstance = static_cast<size_t>(model::Column::game_instance_id);
constexpr size_t kGame = static_cast<size_t>(model::Column::game_id);
constexpr size_t kAmount = static_cast<size_t>(model::Column::real_amount_bet);

std::string random_number(std::mt19937_64& random) {
    const std::string alphabets[] = {"0123456789",      "0123456789.", "01.",
                                     "0123456789.-+eE", "9",           "0"};
    const std::string words[] = {"",
                                 "NaN",
                                 ".",
                                 "5.",
                                 ".5",
                                 "null",
                                 "\\N",
                                 "-0",
                                 " 12",
                                 "1\t",
                                 "0x1",
                                 "1e3",
                                 "1,5",
                                 "1.2.3",
                                 "/",
                                 ":",
                                 "\xef\xbb\xbf",
                                 "9999999999.999999",
                                 "9999999999999999",
                                 "10000000000"};
    if (random() % 4 == 0) {
        return words[random() % std::size(words)];
    }
    const std::string& alphabet = alphabets[random() % std::size(alphabets)];
    std::string text(random() % 21, '0');
    for (char& c : text) {
        c = alphabet[random() % alphabet.size()];
    }
    return text;
}

TEST(Numbers, EveryTargetReadsWhatTheLongWayReads) {
    const uint64_t seed = test_seed();
    std::mt19937_64 random(seed);
    model::RowBatch batch;
    RowBlock block;
    block.open(batch);
    size_t fine = 0;
    for (int n = 0; n < 300'000; ++n) {
        RowRules rules;
        rules.amounts = {.empty_is_reject = random() % 2 == 0, .allow_negative = random() % 2 == 0};
        // The slack holds what would change a value if it were read.
        std::array<std::string, kColumns> texts;
        RowFields fields;
        for (size_t c = 0; c < kColumns; ++c) {
            texts[c] = random_number(random);
            const size_t size = texts[c].size();
            texts[c].append(kFieldSlack, "9."[random() % 2]);
            fields[c] = std::string_view(texts[c]).substr(0, size);
        }
        for (const Target target : usable_targets()) {
            block.rows = 0;
            RowMarks marks{};
            const uint32_t empty = numbers_function(target)(fields, rules, block, marks);
            for (const size_t c : {kInstance, kGame}) {
                int64_t value = 0;
                ASSERT_EQ(marks[c], parse_integer_slowly(fields[c].data(), fields[c].size(), value))
                    << fields[c];
                if (marks[c] == kFine) {
                    ASSERT_EQ(c == kGame ? block.game_id[0] : block.game_instance_id[0], value)
                        << fields[c];
                }
            }
            for (size_t a = 0; a < 4; ++a) {
                const std::string_view text = fields[kAmount + a];
                int64_t micros = 0;
                uint32_t none = 0;
                ASSERT_EQ(marks[kAmount + a], parse_amount_slowly(text.data(), text.size(),
                                                                  rules.amounts, micros, none))
                    << text;
                if (marks[kAmount + a] == kFine) {
                    ++fine;
                    ASSERT_EQ(block.amount[a][0], micros) << text;
                    ASSERT_EQ(empty >> a & 1, none) << text;
                }
            }
        }
    }
    EXPECT_GT(fine, 100'000U);  // the texts must not all be wrong
}

}  // namespace
}  // namespace rh::csv
