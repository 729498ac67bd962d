#include "cli/generator.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/assert.h"
#include "model/money.h"
#include "model/row_batch.h"
#include "model/timestamp.h"

namespace rh::cli {
namespace {

constexpr uint64_t kFirstInstance = 20'000;
constexpr size_t kChunkBytes = 1 << 20;
constexpr uint64_t kSecondsPerHour = 3600;

// How busy each hour of a day is, UTC.
constexpr std::array<uint64_t, 24> kHourWeights = {9,  6,  4,  3,  3,  3,  4,  5,  7,  9,  11, 12,
                                                   13, 13, 13, 14, 15, 17, 19, 21, 22, 21, 18, 13};

constexpr std::array<int64_t, 12> kStakesMicros = {50'000,    100'000,   100'000,   200'000,
                                                   200'000,   400'000,   500'000,   1'000'000,
                                                   1'000'000, 2'000'000, 5'000'000, 20'000'000};
// Of the stake, each half as likely as the one before (the last two equally). One round in three
// wins, so that 94.6 % of the stakes come back, as in real games.
constexpr std::array<int64_t, 12> kWinPercents = {50,    120,   250,    400,    800,    1600,
                                                  3'000, 6'000, 12'000, 16'000, 25'000, 50'000};

constexpr std::array<std::string_view, 24> kFirstWords = {
    "Golden", "Lucky",  "Wild",    "Royal",   "Crystal", "Mystic", "Jolly",  "Silver",
    "Ember",  "Frozen", "Thunder", "Hidden",  "Café",    "Turbo",  "Velvet", "Amber",
    "Copper", "Giant",  "Silent",  "Märchen", "Twin",    "Dragon", "Solar",  "Night"};
constexpr std::array<std::string_view, 24> kSecondWords = {
    "Harbour", "Fruits", "Temple", "Reels",  "Orchard", "Pirates", "Gems",   "Safari",
    "Express", "Garden", "Castle", "Nights", "Fjord",   "Olé",     "Canyon", "Clovers",
    "Circus",  "Rapids", "Forge",  "Wolves", "Lagoon",  "Tower",   "Bazaar", "Sevens"};
constexpr std::array<std::string_view, 8> kProviders = {
    "Play'n GO",          "Northwind Games",    "Blue Lantern, Ltd.", "Seventh Heaven",
    "Quarry \"Q\" Works", "Brücke Interactive", "Old Mill Studios",   "Tall Ship Gaming"};

uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9ULL;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

std::string quoted_if_needed(std::string_view text, char delimiter) {
    if (text.find_first_of("\"\r\n") == std::string_view::npos && !text.contains(delimiter)) {
        return std::string(text);
    }
    std::string out = "\"";
    for (const char c : text) {
        out += c;
        if (c == '"') {
            out += c;
        }
    }
    return out + '"';
}

void append_two(std::string& out, int64_t value) {
    out += static_cast<char>('0' + value / 10);
    out += static_cast<char>('0' + value % 10);
}

void append_number(std::string& out, uint64_t value) {
    const fmt::format_int digits(value);
    out.append(digits.data(), digits.size());
}

// As pandas writes floats: at least one digit after the point, and the smallest with an exponent.
void append_amount(std::string& out, int64_t micros) {
    if (micros > 0 && micros < 100) {
        // 1e-05, 1.2e-05: the digits of `micros` as d.d
        const int64_t tens = micros / 10;
        const int64_t ones = micros % 10;
        out += static_cast<char>('0' + (tens != 0 ? tens : ones));
        if (tens != 0 && ones != 0) {
            out += '.';
            out += static_cast<char>('0' + ones);
        }
        out += tens != 0 ? "e-05" : "e-06";
        return;
    }
    append_number(out, static_cast<uint64_t>(micros / model::kMicrosPerUnit));
    out += '.';
    int64_t fraction = micros % model::kMicrosPerUnit;
    int64_t place = model::kMicrosPerUnit / 10;
    do {
        out += static_cast<char>('0' + fraction / place);
        fraction %= place;
        place /= 10;
    } while (fraction != 0);
}

// What stands in an amount column without an amount.
void append_no_amount(std::string& out, uint64_t random) {
    const uint64_t of_16 = random & 15;
    if (of_16 >= 12) {
        out += "0.0";
    } else if (of_16 >= 6) {
        out += "NaN";
    }
}

}  // namespace

Generator::LongTail::LongTail(uint32_t count) : keep_below(count, UINT32_MAX), other(count) {
    RH_ASSERT(count > 0);
    // Weights fall like 1 / (rank + count / 64): a long tail whose head is not everything.
    std::vector<uint64_t> weights(count);
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; ++i) {
        weights[i] = (1ULL << 36) / (i + 2 + count / 64);
        total += weights[i];
    }
    std::vector<uint32_t> small;
    std::vector<uint32_t> large;
    for (uint32_t i = 0; i < count; ++i) {
        other[i] = i;
        weights[i] *= count;  // below 2^36 * 2^24
        (weights[i] < total ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
        const uint32_t lesser = small.back();
        small.pop_back();
        const uint32_t greater = large.back();
        keep_below[lesser] =
            static_cast<uint32_t>((static_cast<unsigned __int128>(weights[lesser]) << 32) / total);
        other[lesser] = greater;
        weights[greater] -= total - weights[lesser];
        if (weights[greater] < total) {
            large.pop_back();
            small.push_back(greater);
        }
    }
}

uint32_t Generator::LongTail::draw(uint64_t random) const {
    const auto slot = static_cast<uint32_t>(((random >> 32) * keep_below.size()) >> 32);
    return static_cast<uint32_t>(random) < keep_below[slot] ? slot : other[slot];
}

Generator::Generator(const GeneratorOptions& options)
    : options_(options),
      state_(mix(options.seed)),
      players_(options.players),
      games_(options.games) {
    if (options_.bad_kinds.empty()) {
        options_.bad_kinds = bad_kinds_known();
    }
    user_ids_.reserve(options_.players);
    for (uint32_t i = 0; i < options_.players; ++i) {
        const uint64_t high = mix(mix(options_.seed) ^ (2ULL * i + 1));
        user_ids_.push_back(fmt::format("{:016x}{:016x}", high, mix(high + i)));
    }
    make_names();
    const int64_t first_day = model::days_from_civil(2019, 10, 1);
    for (uint32_t day = 0; day < options_.days; ++day) {
        dates_.push_back(model::format_rfc3339((first_day + day) * model::kMsPerDay).substr(0, 10));
        for (const uint64_t weight : kHourWeights) {
            weight_total_ += weight;
        }
    }
    // About as many people at once as a spin every eight seconds needs.
    const uint64_t seconds = uint64_t{options_.days} * 24 * kSecondsPerHour;
    RH_ASSERT(seconds > 0);
    const uint64_t at_once = options_.rows * 8 / seconds;
    sessions_.resize(std::clamp<uint64_t>(at_once, 16, 4096));
    for (Session& session : sessions_) {
        start_session(session);
    }
    weight_until_hour_end_ = kHourWeights[0];
    hour_end_row_ = static_cast<uint64_t>(static_cast<unsigned __int128>(options_.rows) *
                                          weight_until_hour_end_ / weight_total_);
}

uint64_t Generator::random() {
    state_ += 0x9E3779B97F4A7C15ULL;
    return mix(state_);
}

void Generator::make_names() {
    const std::string_view line_end = options_.crlf ? "\r\n" : "\n";
    for (uint32_t i = 0; i < options_.games; ++i) {
        // 7919 has no factor in common with 90,000, so every game has a number of its own.
        game_ids_.push_back(std::to_string(10'000 + (i * 7919ULL + 4321) % 90'000));
        const auto first = kFirstWords[i % kFirstWords.size()];
        const auto second = kSecondWords[(i / kFirstWords.size() + i) % kSecondWords.size()];
        std::string name = fmt::format("{} {}", first, second);
        switch (mix(i) % 8) {
            case 0:
                name = fmt::format("{}'s {}", first, second);
                break;
            case 1:
                name = fmt::format("{}, {} & Co.", first, second);
                break;
            case 2:
                name = fmt::format("The \"{}\" {}", first, second);
                break;
            case 3:
                name = fmt::format("{} {} {}", first, second, 2 + i % 9);
                break;
            default:
                break;
        }
        names_.push_back(std::move(name));
        providers_.emplace_back(kProviders[mix(i + 77) % 16 < 7 ? 0 : mix(i + 99) % 8]);
        tails_.push_back(fmt::format(
            "{}{}{}{}{}", options_.delimiter, quoted_if_needed(names_.back(), options_.delimiter),
            options_.delimiter, quoted_if_needed(providers_.back(), options_.delimiter), line_end));
    }
}

void Generator::start_session(Session& session) {
    session.player = players_.draw(random());
    session.game = games_.draw(random());
    session.stake_micros = kStakesMicros[below(kStakesMicros.size())];
    session.rounds_left = 1 + below(20) * (1 + below(4));
    session.bonus = below(100) < 8;
}

void Generator::move_to_hour_of_row() {
    while (row_ >= hour_end_row_) {
        ++hour_;
        weight_until_hour_end_ += kHourWeights[hour_ % 24];
        hour_first_row_ = hour_end_row_;
        hour_end_row_ = static_cast<uint64_t>(static_cast<unsigned __int128>(options_.rows) *
                                              weight_until_hour_end_ / weight_total_);
    }
}

Generator::Round Generator::make_round() {
    move_to_hour_of_row();
    Round round;
    round.random = random();
    // Rounds are written when they end, so a row may be up to three seconds older than the one
    // before it.
    const uint64_t at = hour_ * kSecondsPerHour + (row_ - hour_first_row_) * kSecondsPerHour /
                                                      (hour_end_row_ - hour_first_row_);
    round.second = static_cast<int64_t>(at - std::min<uint64_t>(at, round.random & 3));
    round.instance = kFirstInstance + row_;
    Session& session = sessions_[((round.random >> 32) * sessions_.size()) >> 32];
    if (session.rounds_left == 0) {
        start_session(session);
    }
    --session.rounds_left;
    round.session = &session;
    const size_t bet = session.bonus ? 1 : 0;
    round.micros[bet] = session.stake_micros;
    const uint64_t luck = random();
    if (luck % 3 == 0) {
        const size_t step = static_cast<size_t>(std::countr_one((luck >> 8) & 0x7FF));
        round.micros[2 + bet] = session.stake_micros * kWinPercents[step] / 100;
    }
    if (luck % 251 == 0) {  // a share of a jackpot, to the sixth digit
        round.micros[2] += static_cast<int64_t>((luck >> 20) % 10'000);
    }
    if (luck % 1021 == 0) {
        round.micros[1] += 10;  // 1e-05
    }
    return round;
}

void Generator::append_good(std::string& out, const Round& round) const {
    const auto delimiter = options_.delimiter;
    const int64_t of_day = round.second % (24 * 3600);
    out += dates_[static_cast<size_t>(round.second / (24 * 3600))];
    out += ' ';
    append_two(out, of_day / 3600);
    out += ':';
    append_two(out, of_day / 60 % 60);
    out += ':';
    append_two(out, of_day % 60);
    out += delimiter;
    append_number(out, round.instance);
    out += delimiter;
    out += user_ids_[round.session->player];
    out += delimiter;
    out += game_ids_[round.session->game];
    for (size_t i = 0; i < 4; ++i) {
        out += delimiter;
        if (round.micros[i] == 0) {
            append_no_amount(out, round.random >> (8 + 4 * i));
        } else {
            append_amount(out, round.micros[i]);
        }
    }
    out += tails_[round.session->game];
}

bool Generator::next(std::string& out) {
    const size_t end = out.size() + kChunkBytes;
    if (!header_done_) {
        header_done_ = true;
        for (const auto name : model::kColumnNames) {
            out += name;
            out += options_.delimiter;
        }
        out.pop_back();
        out += options_.crlf ? "\r\n" : "\n";
    } else if (row_ == options_.rows) {
        return false;
    }
    while (row_ < options_.rows && out.size() < end) {
        const Round round = make_round();
        if (options_.bad_per_million != 0 && below(1'000'000) < options_.bad_per_million) {
            append_bad(out, round);
            ++bad_rows_;
        } else {
            append_good(out, round);
        }
        ++row_;
    }
    return true;
}

}  // namespace rh::cli
