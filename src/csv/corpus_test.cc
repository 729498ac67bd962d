// Every file of tests/corpus/{accept,reject,encoding,sniff} through the whole way: encoding,
// UTF-8, delimiter, rows. What comes out is compared with NAME.expected.json, letter by letter.
// NAME.options (words separated by blanks) sets options. RH_CORPUS_UPDATE=1 writes the expected
// files anew, to be reviewed as a diff.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "csv/collector.h"
#include "csv/encoding.h"
#include "model/money.h"
#include "model/timestamp.h"

namespace rh::csv {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<uint8_t>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + "\"";
}

Options options_of(const fs::path& csv) {
    Options options;
    std::istringstream words(read_text(fs::path(csv).replace_extension(".options")));
    for (std::string word; words >> word;) {
        if (word == "allow_negative") {
            options.allow_negative = true;
        } else if (word == "empty_amount=reject") {
            options.empty_amount_is_reject = true;
        } else if (word.starts_with("timezone_offset_minutes=")) {
            options.timezone_offset_minutes = std::stoi(word.substr(word.find('=') + 1));
        } else {
            ADD_FAILURE() << "unknown option " << word << " for " << csv;
        }
    }
    return options;
}

std::string rows_json(const testing::Collector& found) {
    std::string out = "  \"accepted\": [";
    for (const testing::Row& row : found.rows) {
        out += &row == found.rows.data() ? "\n" : ",\n";
        out += fmt::format("    [{}, {}, {}, {}, {}", row.number,
                           json_string(model::format_rfc3339(row.created_ms)), row.instance,
                           json_string(row.user), row.game);
        for (const int64_t micros : row.amount) {
            out += ", " + json_string(model::to_string(model::Money{micros}));
        }
        out += ", " + json_string(row.game_name) + ", " + json_string(row.provider) + "]";
    }
    return out + (found.rows.empty() ? "],\n" : "\n  ],\n");
}

std::string rejects_json(const testing::Collector& found) {
    std::string out = "  \"rejects\": [";
    for (const model::Reject& reject : found.rejects) {
        out += &reject == found.rejects.data() ? "\n" : ",\n";
        out += fmt::format("    {{\"line\": {}, \"line_last\": {}, \"row\": {}, \"faults\": [",
                           reject.line, reject.line_last, reject.row);
        for (const model::Fault& fault : reject.faults) {
            out += &fault == reject.faults.data() ? "" : ", ";
            const auto column =
                fault.column < 0
                    ? std::string("null")
                    : json_string(model::kColumnNames[static_cast<size_t>(fault.column)]);
            out += fmt::format("{{\"column\": {}, \"code\": {}, \"value\": {}}}", column,
                               json_string(model::name(fault.code)), json_string(fault.value));
        }
        out += "]}";
    }
    return out + (found.rejects.empty() ? "]\n" : "\n  ]\n");
}

std::string outcome_json(const fs::path& path) {
    const std::string bytes = read_text(path);
    EncodingSniffer sniffer;
    sniffer.feed(bytes);
    const auto verdict = sniffer.decide();
    Transcoder transcoder(verdict.encoding);
    std::string utf8(transcoder.feed(bytes));
    std::string error;
    if (const auto rest = transcoder.finish()) {
        utf8 += *rest;
    } else {
        error = rest.error().code;
    }
    Options options = options_of(path);
    const auto delimiter = sniff_delimiter(utf8);
    options.delimiter = delimiter.value_or(',');
    const testing::Outcome o = testing::read_csv(utf8, options);
    error = error.empty() ? o.error : error;
    std::string extra;
    for (const std::string& column : o.report.ignored_columns) {
        extra += (extra.empty() ? "" : ", ") + json_string(column);
    }
    return fmt::format(
               "{{\n  \"encoding\": {}, \"bom\": {}, \"has_nul\": {}, \"delimiter\": {},\n"
               "  \"error\": {},\n  \"ignored_columns\": [{}],\n"
               "  \"rows\": {{\"read\": {}, \"accepted\": {}, \"rejected\": {}, \"blank\": {}}},\n"
               "  \"empty_amounts\": [{}, {}, {}, {}],\n",
               json_string(name(verdict.encoding)), verdict.bom, verdict.has_nul,
               delimiter ? json_string(std::string(1, *delimiter)) : "null",
               error.empty() ? "null" : json_string(error), extra, o.report.rows.read,
               o.report.rows.accepted, o.report.rows.rejected, o.report.rows.blank,
               o.report.empty_amounts[0], o.report.empty_amounts[1], o.report.empty_amounts[2],
               o.report.empty_amounts[3]) +
           rows_json(o.found) + rejects_json(o.found) + "}\n";
}

TEST(Corpus, EachFileGivesWhatIsExpected) {
    const bool update = std::getenv("RH_CORPUS_UPDATE") != nullptr;
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(RH_CORPUS_DIRECTORY)) {
        if (entry.path().extension() == ".csv") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    EXPECT_GE(files.size(), 30U);
    for (const fs::path& file : files) {
        const fs::path expected = fs::path(file).replace_extension(".expected.json");
        const std::string outcome = outcome_json(file);
        if (update) {
            std::ofstream(expected, std::ios::binary) << outcome;
        }
        EXPECT_EQ(outcome, read_text(expected)) << file;
    }
}

// The table of codes in docs/formats/csv.md is the one of model/reject.h.
TEST(Document, NamesEachRejectCodeOnceWithItsMeaning) {
    const std::string document = read_text(RH_CSV_DOCUMENT);
    size_t rows = 0;
    for (size_t at = document.find("\n| `"); at != std::string::npos;
         at = document.find("\n| `", at + 1)) {
        ++rows;
    }
    EXPECT_EQ(rows, model::kRejectCodeNames.size());
    for (size_t c = 0; c < model::kRejectCodeNames.size(); ++c) {
        const std::string row = fmt::format("\n| `{}` | {} |\n", model::kRejectCodeNames[c],
                                            model::kRejectCodeMeanings[c]);
        EXPECT_NE(document.find(row), std::string::npos) << row;
    }
}

}  // namespace
}  // namespace rh::csv
