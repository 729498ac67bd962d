#include "uploads/upload.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace rh::uploads {
namespace {

constexpr std::array<std::string_view, kStateCount> kStateNames = {
    "validating", "publishing", "storing", "stored", "failed", "refused", "cancelled", "checked"};

}  // namespace

std::string_view name(State state) { return kStateNames[static_cast<size_t>(state)]; }

std::optional<State> parse_state(std::string_view text) {
    const auto* const found = std::ranges::find(kStateNames, text);
    if (found == kStateNames.end()) {
        return std::nullopt;
    }
    return static_cast<State>(found - kStateNames.begin());
}

std::string timezone_text(int32_t offset_minutes) {
    const int32_t distance = std::abs(offset_minutes);
    return fmt::format("{}{:02}:{:02}", offset_minutes < 0 ? '-' : '+', distance / 60,
                       distance % 60);
}

std::string_view delimiter_name(char delimiter) {
    switch (delimiter) {
        case ';':
            return "semicolon";
        case '\t':
            return "tab";
        case '|':
            return "pipe";
        default:
            return "comma";
    }
}

std::string differing_options(const Request& here, const Request& there) {
    std::string text;
    const auto compare = [&text](std::string_view option, std::string_view a, std::string_view b) {
        if (a != b) {
            text += fmt::format("{}{} ({} here, {} there)", text.empty() ? "" : ", ", option, a, b);
        }
    };
    const auto flag = [](bool value) { return value ? "true" : "false"; };
    const auto empty_amount = [](bool reject) { return reject ? "reject" : "zero"; };
    compare("encoding", csv::name(here.encoding), csv::name(there.encoding));
    compare("delimiter", delimiter_name(here.csv.delimiter), delimiter_name(there.csv.delimiter));
    compare("timezone", timezone_text(here.csv.timezone_offset_minutes),
            timezone_text(there.csv.timezone_offset_minutes));
    compare("empty_amount", empty_amount(here.csv.empty_amount_is_reject),
            empty_amount(there.csv.empty_amount_is_reject));
    compare("allow_negative", flag(here.csv.allow_negative), flag(there.csv.allow_negative));
    // Same options under another id: an earlier program judged rows by other rules.
    return text.empty() ? "the version of the row rules" : text;
}

}  // namespace rh::uploads
