// Bad rows: each breaks exactly one of the row rules, in one of several ways.
#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "cli/generator.h"
#include "model/money.h"
#include "model/row_batch.h"

namespace rh::cli {
namespace {

using model::Column;
using model::RejectCode;

constexpr size_t index(Column column) { return static_cast<size_t>(column); }
constexpr size_t kFirstAmount = index(Column::real_amount_bet);

constexpr std::array<std::string_view, 8> kBadTimestamps = {
    "yesterday",        "2019-13-01 00:00:00", "2019-02-29 10:00:00", "2019-10-22 24:00:00",
    "22/10/2019 08:20", "2019-10-22",          "2019-10-22 08:61:00", "2019-10-22 08:20:41 PM"};
constexpr std::array<std::string_view, 3> kTimestampsOutOfRange = {
    "1969-12-31 23:59:59", "2106-01-01 00:00:00", "9999-12-31 00:00:00"};
constexpr std::array<std::string_view, 6> kBadIntegers = {"12a", "1.5", "0x10",
                                                          "1e3", "NaN", "1 0"};
constexpr std::array<std::string_view, 3> kIntegersOutOfRange = {"9223372036854775808", "-1",
                                                                 "99999999999999999999"};
constexpr std::array<std::string_view, 8> kBadDecimals = {"1.2.3", "abc",   "€5",  "1 000.00",
                                                          "0x1p3", "5 EUR", "inf", "--1"};
constexpr std::array<std::string_view, 3> kDecimalsOutOfRange = {"1000000000000", "1e12",
                                                                 "123456789012345.5"};
constexpr std::array<std::string_view, 3> kDecimalsTooPrecise = {"0.1234567", "1e-07", "0.0000001"};
constexpr std::array<std::string_view, 3> kNegatives = {"-1.00", "-0.05", "-0.000001"};

}  // namespace

const std::vector<RejectCode>& bad_kinds_known() {
    static const std::vector<RejectCode> kKinds = {RejectCode::field_count,
                                                   RejectCode::bad_quote,
                                                   RejectCode::invalid_encoding,
                                                   RejectCode::bad_timestamp,
                                                   RejectCode::timestamp_out_of_range,
                                                   RejectCode::bad_integer,
                                                   RejectCode::integer_out_of_range,
                                                   RejectCode::missing_value,
                                                   RejectCode::text_too_long,
                                                   RejectCode::control_character,
                                                   RejectCode::bad_decimal,
                                                   RejectCode::decimal_out_of_range,
                                                   RejectCode::decimal_too_precise,
                                                   RejectCode::negative_amount};
    return kKinds;
}

std::array<std::string, 10> Generator::fields_of(const Round& round) const {
    const int64_t of_day = round.second % (24 * 3600);
    std::array<std::string, 10> fields = {
        fmt::format("{} {:02}:{:02}:{:02}", dates_[static_cast<size_t>(round.second / (24 * 3600))],
                    of_day / 3600, of_day / 60 % 60, of_day % 60),
        std::to_string(round.instance),
        user_ids_[round.session->player],
        game_ids_[round.session->game],
    };
    for (size_t i = 0; i < 4; ++i) {
        fields[kFirstAmount + i] = model::to_string(model::Money{round.micros[i]});
    }
    fields[index(Column::game_name)] = names_[round.session->game];
    fields[index(Column::provider)] = providers_[round.session->game];
    return fields;
}

// Changes the fields so that the row has the fault; `count` is how many fields are written.
void Generator::spoil(std::array<std::string, 10>& fields, size_t& count, RejectCode kind) {
    const auto one_of = [this](const auto& values) {
        return std::string(values[below(static_cast<uint32_t>(values.size()))]);
    };
    const size_t integer = below(2) == 0 ? index(Column::game_instance_id) : index(Column::game_id);
    const size_t amount = kFirstAmount + below(4);
    const size_t text = index(Column::game_name) + below(2);
    switch (kind) {
        case RejectCode::field_count:
            count = below(2) == 0 ? 9 : 11;
            return;
        case RejectCode::bad_timestamp:
            fields[0] = one_of(kBadTimestamps);
            return;
        case RejectCode::timestamp_out_of_range:
            fields[0] = one_of(kTimestampsOutOfRange);
            return;
        case RejectCode::bad_integer:
            fields[integer] = one_of(kBadIntegers);
            return;
        case RejectCode::integer_out_of_range:
            fields[integer] = one_of(kIntegersOutOfRange);
            return;
        case RejectCode::missing_value:
            fields[below(4)].clear();
            return;
        case RejectCode::text_too_long:
            if (below(2) == 0) {
                fields[index(Column::user_id)] = std::string(129 + below(100), 'u');
            } else {
                fields[text] = std::string(257 + below(100), 'n');
            }
            return;
        case RejectCode::control_character:
            fields[index(Column::user_id)][below(4)] = static_cast<char>(1 + below(8));
            return;
        case RejectCode::bad_decimal:
            fields[amount] = one_of(kBadDecimals);
            return;
        case RejectCode::decimal_out_of_range:
            fields[amount] = one_of(kDecimalsOutOfRange);
            return;
        case RejectCode::decimal_too_precise:
            fields[amount] = one_of(kDecimalsTooPrecise);
            return;
        case RejectCode::negative_amount:
            fields[amount] = one_of(kNegatives);
            return;
        case RejectCode::invalid_encoding:
            fields[text] += '\xFF';
            return;
        case RejectCode::bad_quote:
            return;  // append_bad writes the name with it
        case RejectCode::unclosed_quote:
        case RejectCode::line_too_long:
        case RejectCode::empty_amount:
            break;
    }
    RH_ASSERT(false);  // not in bad_kinds_known()
}

void Generator::append_bad(std::string& out, const Round& round) {
    auto fields = fields_of(round);
    size_t count = fields.size();
    const RejectCode kind =
        options_.bad_kinds[below(static_cast<uint32_t>(options_.bad_kinds.size()))];
    spoil(fields, count, kind);
    for (size_t i = 0; i < count; ++i) {
        if (i != 0) {
            out += options_.delimiter;
        }
        if (i == fields.size()) {
            out += "one field more";
        } else if (kind == RejectCode::bad_quote && i == index(Column::game_name)) {
            out += "\"Silver\" Reels";
        } else if (fields[i].find_first_of("\"\r\n") == std::string::npos &&
                   !fields[i].contains(options_.delimiter)) {
            out += fields[i];
        } else {
            out += '"';
            for (const char c : fields[i]) {
                out.append(c == '"' ? 2 : 1, c);
            }
            out += '"';
        }
    }
    out += options_.crlf ? "\r\n" : "\n";
}

}  // namespace rh::cli
