// Makes files of game rounds that look like a provider's: sessions of players with a long tail,
// busy and quiet hours, amounts empty or NaN, quotes and commas in names. The same options give the
// same bytes on every machine: own random numbers, whole numbers only. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/reject.h"

namespace rh::cli {

struct GeneratorOptions {
    // The defaults are the public example file: October 2019.
    uint64_t rows = 2'101'934;
    uint64_t seed = 1;
    uint32_t players = 20'000;  // 1 to 10,000,000
    uint32_t games = 800;       // 1 to 90,000
    uint32_t days = 31;         // from 2019-10-01 on; 1 to 10,000
    char delimiter = ',';
    bool crlf = false;
    uint32_t bad_per_million = 0;              // rows that the row rules refuse
    std::vector<model::RejectCode> bad_kinds;  // empty: every kind in bad_kinds_known()
};

// The reject codes that one bad row can have without spoiling the rows after it.
const std::vector<model::RejectCode>& bad_kinds_known();

class Generator {
  public:
    explicit Generator(const GeneratorOptions& options);

    // Appends about a megabyte of UTF-8 (the header first); false when there is nothing more. Rows
    // that are bad by invalid_encoding hold the byte 0xFF, which encode() turns into what the
    // file's encoding cannot decode.
    bool next(std::string& out);
    uint64_t bad_rows() const { return bad_rows_; }

  private:
    struct Session {
        uint32_t player = 0;
        uint32_t game = 0;
        int64_t stake_micros = 0;
        uint32_t rounds_left = 0;
        bool bonus = false;
    };
    // Walker's alias method on whole numbers: slot i is drawn evenly, then kept or swapped.
    struct LongTail {
        explicit LongTail(uint32_t count);
        uint32_t draw(uint64_t random) const;
        std::vector<uint32_t> keep_below;  // of 2^32
        std::vector<uint32_t> other;
    };
    struct Round {
        int64_t second = 0;  // since the first day's midnight
        uint64_t instance = 0;
        const Session* session = nullptr;
        std::array<int64_t, 4> micros{};
        uint64_t random = 0;
    };

    uint64_t random();
    uint32_t below(uint32_t bound) {
        return static_cast<uint32_t>(((random() >> 32) * bound) >> 32);
    }
    void start_session(Session& session);
    void make_names();
    Round make_round();
    void append_good(std::string& out, const Round& round) const;
    void append_bad(std::string& out, const Round& round);
    std::array<std::string, 10> fields_of(const Round& round) const;
    void spoil(std::array<std::string, 10>& fields, size_t& count, model::RejectCode kind);
    void move_to_hour_of_row();

    GeneratorOptions options_;
    uint64_t state_;
    LongTail players_, games_;
    std::vector<std::string> user_ids_, game_ids_, names_, providers_;
    std::vector<std::string>
        tails_;  // of each game: delimiter, name, delimiter, provider, line end
    std::vector<std::string> dates_;  // "2019-10-01" of each day
    std::vector<Session> sessions_;
    uint64_t row_ = 0;
    uint64_t hour_ = 0, hour_first_row_ = 0, hour_end_row_ = 0;
    uint64_t weight_until_hour_end_ = 0, weight_total_ = 0;
    uint64_t bad_rows_ = 0;
    bool header_done_ = false;
};

enum class OutputEncoding : uint8_t {
    utf8,
    utf8_bom,
    utf16le,
    utf16be,
    utf16le_bom,
    utf16be_bom,
    windows1252,
};
// "utf-8", "utf-8-bom", "utf-16le", "utf-16be", "utf-16le-bom", "utf-16be-bom", "windows-1252".
std::optional<OutputEncoding> parse_output_encoding(std::string_view text);
std::string_view byte_order_mark(OutputEncoding encoding);
// Appends `utf8` (whole characters) in `encoding`. The byte 0xFF becomes a lone surrogate in UTF-16
// and the undefined byte 0x81 in Windows-1252.
void encode(std::string_view utf8, OutputEncoding encoding, std::string& out);

}  // namespace rh::cli
