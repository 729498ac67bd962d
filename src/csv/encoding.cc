#include "csv/encoding.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/trim.h"
#include "csv/header.h"

namespace rh::csv {
namespace {

constexpr size_t kHeadBytesMax = 64 * 1024;
constexpr std::array kDelimiters = {',', ';', '\t', '|'};
constexpr std::array<std::string_view, 4> kNames = {"utf-8", "utf-16le", "utf-16be",
                                                    "windows-1252"};
// Without hyphens, underscores and blanks, in lower case.
constexpr std::array<std::pair<std::string_view, Encoding>, 7> kAliases = {{
    {"utf8", Encoding::utf8},
    {"utf8sig", Encoding::utf8},
    {"utf16le", Encoding::utf16le},
    {"utf16be", Encoding::utf16be},
    {"windows1252", Encoding::windows1252},
    {"cp1252", Encoding::windows1252},
    {"win1252", Encoding::windows1252},
}};

// The first line that has more than blanks.
std::string_view header_line(std::string_view head) {
    while (true) {
        const size_t end = std::min(head.find_first_of("\r\n"), head.size());
        const std::string_view line = head.substr(0, end);
        if (!trim_blanks(line).empty() || end == head.size()) {
            return line;
        }
        head.remove_prefix(end + 1);
    }
}

// How many of the ten columns appear in `line` if it is cut at `delimiter`.
size_t columns_found(std::string_view line, char delimiter) {
    uint32_t seen = 0;
    while (true) {
        const size_t end = std::min(line.find(delimiter), line.size());
        std::string_view field = line.substr(0, end);
        if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
            field = field.substr(1, field.size() - 2);
        }
        if (const int8_t column = column_named(field); column >= 0) {
            seen |= uint32_t{1} << column;
        }
        if (end == line.size()) {
            return static_cast<size_t>(__builtin_popcount(seen));
        }
        line.remove_prefix(end + 1);
    }
}

}  // namespace

std::string_view name(Encoding encoding) { return kNames[static_cast<size_t>(encoding)]; }

std::optional<Encoding> parse_encoding(std::string_view text) {
    std::string bare;
    for (const char c : text) {
        if (c != '-' && c != '_' && c != ' ') {
            bare += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    for (const auto& [alias, encoding] : kAliases) {
        if (bare == alias) {
            return encoding;
        }
    }
    return std::nullopt;
}

std::optional<char> sniff_delimiter(std::string_view utf8_head) {
    const std::string_view line = header_line(utf8_head.substr(0, kHeadBytesMax));
    size_t most = 1;
    std::optional<char> best;
    for (const char delimiter : kDelimiters) {
        if (const size_t found = columns_found(line, delimiter); found > most) {
            most = found;
            best = delimiter;
        }
    }
    return best;
}

}  // namespace rh::csv
