#include "receive/judge.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "csv/reader.h"
#include "model/row_batch.h"
#include "uploads/original.h"

namespace rh::receive {
namespace {

constexpr size_t kHeadBytes = 64 * 1024;
constexpr std::array kDelimiters = {',', ';', '\t', '|'};

bool is_utf16(csv::Encoding encoding) {
    return encoding == csv::Encoding::utf16le || encoding == csv::Encoding::utf16be;
}

std::string_view first_line(std::string_view head) {
    while (!head.empty() && (head[0] == '\n' || head[0] == '\r')) {
        head.remove_prefix(1);
    }
    return head.substr(0, std::min(head.find_first_of("\r\n"), head.size()));
}

// Excel reads a first line `sep=;` as the delimiter; no other program does.
bool is_excel_hint(std::string_view line) {
    constexpr std::string_view kHint = "sep=";
    return line.size() <= kHint.size() + 1 && line.size() >= kHint.size() &&
           std::ranges::equal(line.substr(0, kHint.size()), kHint,
                              [](char a, char b) { return (a | 0x20) == (b | 0x20); });
}

// For a file whose header no delimiter splits into the ten columns: the delimiter its first line
// has most of, so that the reader's complaint names the columns that are missing.
Result<char> most_likely_delimiter(std::string_view head) {
    const std::string_view line = first_line(head);
    const auto count = [line](char c) { return std::ranges::count(line, c); };
    const char best = *std::ranges::max_element(kDelimiters, {}, count);
    if (count(best) > 0) {
        return best;
    }
    const auto named = std::ranges::count_if(
        model::kColumnNames, [line](std::string_view column) { return line.contains(column); });
    if (named < 2) {
        return ',';
    }
    return fail(ErrorKind::invalid_content, "unknown_delimiter",
                fmt::format("The header names columns, but none of the delimiters comma, "
                            "semicolon, tab and pipe stands between them. It begins: {:.100}",
                            line));
}

class SeesRecord final : public csv::Consumer {
  public:
    Result<void> on_rows(model::RowBatch&) override {
        seen = true;
        return {};
    }
    Result<void> on_rejects(std::span<const model::Reject>) override {
        seen = true;
        return {};
    }
    bool seen = false;
};

// The file in UTF-8, from its beginning.
class Utf8File {
  public:
    static Result<Utf8File> open(const std::string& original, csv::Encoding encoding) {
        RH_ASSIGN(uploads::OriginalReader reader, uploads::OriginalReader::open(original));
        return Utf8File(std::move(reader), encoding);
    }
    // Empty at the end. Half a character at the end is the publisher's to refuse.
    Result<std::string_view> next() {
        while (true) {
            RH_ASSIGN(const std::string_view bytes, reader_.next());
            if (bytes.empty()) {
                return bytes;
            }
            const std::string_view utf8 = transcoder_.feed(bytes);
            if (!utf8.empty()) {
                return utf8;
            }
        }
    }

  private:
    Utf8File(uploads::OriginalReader reader, csv::Encoding encoding)
        : reader_(std::move(reader)), transcoder_(encoding) {}
    uploads::OriginalReader reader_;
    csv::Transcoder transcoder_;
};

Result<void> read_until_record(Utf8File& file, std::string_view head, csv::Reader& reader,
                               const SeesRecord& consumer) {
    RH_TRY(reader.feed(head));
    while (!consumer.seen && reader.report().rows.read == 0) {
        RH_ASSIGN(const std::string_view utf8, file.next());
        if (utf8.empty()) {
            return reader.finish();
        }
        RH_TRY(reader.feed(utf8));
    }
    return {};
}

}  // namespace

Result<csv::Encoding> resolve_encoding(const Content& content, std::optional<csv::Encoding> asked) {
    const auto& sniffed = content.sniffed;
    if (content.looks_zip) {
        return fail(
            ErrorKind::invalid_content, "binary_file",
            "The file is a ZIP archive, as Excel workbooks are. Send the CSV file that is in "
            "it, or save the workbook as CSV.");
    }
    if (content.looks_compressed) {
        return fail(ErrorKind::invalid_content, "binary_file",
                    content.in_form
                        ? "The file is compressed. Give its part of the form the type "
                          "application/gzip or application/zstd (curl: -F "
                          "'file=@FILE;type=application/gzip'), or unpack it first."
                        : "The file is compressed. Send it with Content-Encoding: gzip or zstd, or "
                          "unpack it first.");
    }
    if (sniffed.has_nul) {
        return fail(ErrorKind::invalid_content, "binary_file",
                    "The file has zero bytes that no text encoding explains, so it is not a CSV "
                    "file. Send the CSV export itself, and name its encoding if it is UTF-16.");
    }
    const csv::Encoding encoding = asked.value_or(sniffed.encoding);
    const bool contradicts = encoding != sniffed.encoding &&
                             (sniffed.bom || is_utf16(encoding) || is_utf16(sniffed.encoding));
    if (contradicts) {
        return fail(ErrorKind::invalid_content, "wrong_encoding",
                    fmt::format("The request says {}, but the file is {}{}. Leave the encoding "
                                "out, or name the right one.",
                                csv::name(encoding), csv::name(sniffed.encoding),
                                sniffed.bom ? " by its byte order mark" : ""));
    }
    if (is_utf16(encoding) && content.bytes % 2 != 0) {
        return fail(ErrorKind::invalid_content, "truncated_encoding",
                    fmt::format("The file is {} and has an odd number of bytes ({}), so it was cut "
                                "in the middle of a character. Send all of it.",
                                csv::name(encoding), content.bytes));
    }
    if (is_utf16(encoding) && sniffed.ends_inside_pair) {
        return fail(ErrorKind::invalid_content, "truncated_encoding",
                    fmt::format("The file is {} and ends with the first half of a character, so it "
                                "was cut there. Send all of it.",
                                csv::name(encoding)));
    }
    return encoding;
}

Result<void> judge_header(const std::string& original, std::optional<char> asked_delimiter,
                          uploads::Request& request) {
    RH_ASSIGN(Utf8File file, Utf8File::open(original, request.encoding));
    std::string head;
    while (head.size() < kHeadBytes) {
        RH_ASSIGN(const std::string_view utf8, file.next());
        if (utf8.empty()) {
            break;
        }
        head += utf8;
    }
    const auto sniffed = csv::sniff_delimiter(std::string_view(head).substr(0, kHeadBytes));
    if (asked_delimiter) {
        request.csv.delimiter = *asked_delimiter;
    } else if (sniffed) {
        request.csv.delimiter = *sniffed;
    } else {
        RH_ASSIGN(request.csv.delimiter, most_likely_delimiter(head));
    }
    SeesRecord consumer;
    csv::Reader reader(request.csv, consumer);
    auto judged = read_until_record(file, head, reader, consumer);
    if (const std::string_view line = first_line(head); !judged && is_excel_hint(line)) {
        judged.error().message += fmt::format(
            " The line {} is a hint to Excel and no header: remove it, and name the delimiter with "
            "the upload if it is not found without.",
            line);
    }
    if (!judged && asked_delimiter && sniffed && *sniffed != *asked_delimiter) {
        judged.error().message += fmt::format(
            " The upload says delimiter={}, but {} would fit this header.",
            uploads::delimiter_name(*asked_delimiter), uploads::delimiter_name(*sniffed));
    }
    return judged;
}

}  // namespace rh::receive
