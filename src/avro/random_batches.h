// For tests and benchmarks only: batches of random rows, extreme values among them. The seed comes
// from base/test_seed.h.
#pragma once

#include <random>
#include <string>

#include "model/money.h"
#include "model/row_batch.h"

namespace rh::avro {

class RandomBatches {
  public:
    explicit RandomBatches(uint64_t seed) : random_(seed) {}

    // `rows` rows with ascending numbers from `first_row` on, all in its cell; `gap` is the largest
    // distance between two of them.
    model::RowBatch extreme(size_t rows, uint64_t first_row, uint64_t gap = 1) {
        model::RowBatch batch;
        uint64_t number = first_row;
        for (size_t i = 0; i < rows; ++i) {
            batch.row_number.push_back(number);
            number += 1 + random_() % gap;
            batch.created_ms.push_back(any_long());
            batch.game_instance_id.push_back(any_long());
            batch.game_id.push_back(any_long());
            for (auto& amounts : batch.amount) {
                amounts.push_back(any_long() % (model::kMoneyMicrosMax + 1));
            }
            batch.user_id.push_back(text(128));
            batch.game_name.push_back(text(256));
            batch.provider.push_back(text(i % 64 == 0 ? 1024 : 12));
        }
        return batch;
    }

    // Rows as the real file has them: 32 hex digits of a player, small amounts, short names.
    model::RowBatch usual(size_t rows, uint64_t first_row) {
        model::RowBatch batch;
        for (size_t i = 0; i < rows; ++i) {
            batch.row_number.push_back(first_row + i);
            batch.created_ms.push_back(1'571'732'441'000 + static_cast<int64_t>(i) * 1000);
            batch.game_instance_id.push_back(20'000 + static_cast<int64_t>(first_row + i));
            batch.game_id.push_back(10'000 + static_cast<int64_t>(random_() % 5000));
            for (size_t a = 0; a < 4; ++a) {
                const auto cents = static_cast<int64_t>(random_() % 500);
                batch.amount[a].push_back(a % 2 == 0 ? cents * 10'000 : 0);
            }
            std::string player;
            for (int digit = 0; digit < 32; ++digit) {
                player += "0123456789abcdef"[random_() % 16];
            }
            batch.user_id.push_back(player);
            batch.game_name.push_back("Book of the Dead");
            batch.provider.push_back("Play'n GO");
        }
        return batch;
    }

  private:
    int64_t any_long() {  // of every length in bits, and the ends of the range
        const auto bits = random_();
        switch (random_() % 16) {
            case 0:
                return INT64_MAX;
            case 1:
                return INT64_MIN;
            case 2:
                return 0;
            default:
                return static_cast<int64_t>(bits) >> (random_() % 64);
        }
    }
    std::string text(size_t bytes_max) {
        std::string text(random_() % (bytes_max + 1), '\0');
        for (char& c : text) {
            c = static_cast<char>(random_());
        }
        return text;
    }

    std::mt19937_64 random_;
};

inline bool same_text(const model::StringColumn& a, const model::StringColumn& b) {
    return a.chars == b.chars && a.ends == b.ends;
}

inline bool same_rows(const model::RowBatch& a, const model::RowBatch& b) {
    return a.row_number == b.row_number && a.created_ms == b.created_ms &&
           a.game_instance_id == b.game_instance_id && a.game_id == b.game_id &&
           a.amount == b.amount && same_text(a.user_id, b.user_id) &&
           same_text(a.game_name, b.game_name) && same_text(a.provider, b.provider);
}

}  // namespace rh::avro
