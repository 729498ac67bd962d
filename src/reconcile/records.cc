#include "reconcile/records.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/trim.h"
#include "model/row_batch.h"
#include "reconcile/charset.h"

namespace rh::reconcile {
namespace {

constexpr size_t kFlushBytes = 1 << 20;

bool is_blank(std::string_view text) { return trim_blanks(text).empty(); }

std::string normalised(std::string_view field) {
    std::string name(trim_blanks(field));
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return name;
}

// Fields of one whole record, unquoted.
std::vector<std::string> split_record(std::string_view record, char delimiter) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (size_t i = 0; i < record.size(); ++i) {
        const char c = record[i];
        if (quoted) {
            if (c != '"') {
                fields.back() += c;
            } else if (i + 1 < record.size() && record[i + 1] == '"') {
                fields.back() += c;
                ++i;
            } else {
                quoted = false;
            }
        } else if (c == '"' && is_blank(fields.back())) {
            quoted = true;
        } else if (c == delimiter) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

bool is_known(const std::string& name) {
    return std::ranges::find(model::kColumnNames, name) != model::kColumnNames.end();
}

}  // namespace

std::string_view example_of(std::string_view text) {
    if (text.size() <= kExampleBytesMax) {
        return text;
    }
    size_t end = kExampleBytesMax;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) {
        --end;
    }
    return text.substr(0, end);
}

RecordScanner::RecordScanner(char delimiter, Ranges ranges, Sink sink)
    : delimiter_(delimiter), ranges_(std::move(ranges)), sink_(std::move(sink)) {
    for (const char c : {delimiter, '"', '\n', '\r'}) {
        special_[static_cast<uint8_t>(c)] = true;
    }
}

void RecordScanner::take(std::string_view text) {
    if (out_.size() - text_at_ + text.size() > kRecordBytesMax) {
        too_long_ = true;
        return;
    }
    out_.append(text);
}

// Called with the first byte of a record, which may be its line end.
Result<void> RecordScanner::begin_record() {
    if (!std::exchange(ranges_begun_, true)) {
        RH_ASSIGN(range_, ranges_());
    }
    bad_quote_ = false;
    too_long_ = false;
    fields_ = 1;
    place_ = Place::field_start;
    record_at_ = out_.size();
    if (counts_.header && range_ && range_->first == line_) {
        refused_ = true;
        kept_of_refused_ = 0;
    }
    if (counts_.header) {
        out_ += fmt::format_int(counts_.records + kept_of_refused_ + 1).c_str();
        out_ += delimiter_;
        out_ += refused_ ? '1' : '0';
        out_ += delimiter_;
    }
    text_at_ = out_.size();
    return {};
}

void RecordScanner::malformed(std::string_view record, std::string problem) {
    ++counts_.malformed;
    if (examples_.size() < kBadExamplesMax) {
        examples_.push_back({counts_.records, std::string(example_of(record)), std::move(problem)});
    }
    out_.resize(record_at_);
}

// The record's last byte before its line end has been taken.
Result<void> RecordScanner::end_record() {
    const std::string_view record = std::string_view(out_).substr(text_at_);
    place_ = Place::record_start;
    if (refused_) {
        keep_or_drop_refused(!too_long_ && !bad_quote_ && fields_ == columns_ &&
                             is_valid_utf8(record));
        return flush(kFlushBytes);
    }
    if (fields_ == 1 && !too_long_ && is_blank(record)) {
        ++counts_.blank;
        out_.resize(record_at_);
        return {};
    }
    if (!counts_.header) {
        return end_header(record);
    }
    ++counts_.records;
    if (too_long_) {
        malformed(record, fmt::format("It is longer than {} bytes.", kRecordBytesMax));
    } else if (bad_quote_) {
        malformed(record, "A quote does not open or close a whole field.");
    } else if (fields_ != columns_) {
        malformed(record, fmt::format("It has {} fields, the header has {}.", fields_, columns_));
    } else {
        ++counts_.kept;
        out_ += '\n';
    }
    record_at_ = out_.size();
    return flush(kFlushBytes);
}

void RecordScanner::keep_or_drop_refused(bool well_formed) {
    place_ = Place::record_start;
    if (well_formed) {
        ++counts_.kept;
        ++counts_.refused;
        ++kept_of_refused_;
        out_ += '\n';
    } else {
        out_.resize(record_at_);
    }
    record_at_ = out_.size();
}

// The ingest path counts them as one record.
Result<void> RecordScanner::end_refused_lines() {
    if (place_ != Place::record_start) {
        keep_or_drop_refused(false);
    }
    refused_ = false;
    counts_.records += std::max<uint64_t>(kept_of_refused_, 1);
    counts_.dropped += kept_of_refused_ == 0 ? 1 : 0;
    RH_ASSIGN(range_, ranges_());
    return {};
}

Result<void> RecordScanner::end_header(std::string_view record) {
    auto names = split_record(record, delimiter_);
    columns_ = names.size();
    std::string line = fmt::format("row{}refused", delimiter_);
    std::vector<std::string> seen;
    for (const std::string& field : names) {
        std::string name = normalised(field);
        if (!is_known(name)) {
            line += fmt::format("{}ignored_{}", delimiter_, ignored_.size());
            ignored_.push_back(field);
            continue;
        }
        if (std::ranges::find(seen, name) != seen.end()) {
            return fail(ErrorKind::invalid_content, "duplicate_column",
                        fmt::format("The header names the column {} twice.", name));
        }
        line += delimiter_;
        line += name;
        seen.push_back(std::move(name));
    }
    for (const std::string_view column : model::kColumnNames) {
        if (std::ranges::find(seen, column) == seen.end()) {
            return fail(ErrorKind::invalid_content, "missing_column",
                        fmt::format("The header has no column {}. It needs all ten, parted by the "
                                    "delimiter the file uses.",
                                    column));
        }
    }
    counts_.header = true;
    out_ = line + "\n";
    record_at_ = out_.size();
    return {};
}

// A line has ended, inside a record or with it.
void RecordScanner::line_end() {
    ++line_;
    ++counts_.lines;
}

Result<void> RecordScanner::flush(size_t bytes_min) {
    if (record_at_ < bytes_min) {
        return {};
    }
    RH_TRY(sink_(std::string_view(out_).substr(0, record_at_)));
    out_.erase(0, record_at_);
    record_at_ = 0;
    return {};
}

// Takes a record without a quote that ends with a LF at `line_feed`, if that is what begins at
// `at`.
Result<bool> RecordScanner::take_plain(const char* at, const char* line_feed) {
    std::string_view record(at, line_feed);
    if (record.ends_with('\r')) {
        record.remove_suffix(1);
    }
    if (record.size() > kRecordBytesMax || record.contains('\r') || record.contains('"')) {
        return false;
    }
    take(record);
    fields_ += static_cast<uint64_t>(std::ranges::count(record, delimiter_));
    line_end();
    RH_TRY(end_record());
    return true;
}

Result<void> RecordScanner::feed(std::string_view utf8) {
    const char* at = utf8.data();
    const char* const end = at + utf8.size();
    const char* line_feed = nullptr;  // the next one in these bytes, or `end`
    while (at < end) {
        if (std::exchange(after_cr_, false) && *at == '\n') {
            if (place_ == Place::quoted) {
                take({at, 1});
            }
            ++at;
            continue;
        }
        if (place_ == Place::record_start) {
            RH_TRY(begin_record());
            if (line_feed == nullptr || line_feed < at) {
                const size_t found = std::string_view(at, end).find('\n');
                line_feed = found == std::string_view::npos ? end : at + found;
            }
            // The usual record, in one step; what follows takes any, byte by byte.
            if (!refused_ && line_feed != end) {
                RH_ASSIGN(const bool taken, take_plain(at, line_feed));
                if (taken) {
                    at = line_feed + 1;
                    continue;
                }
            }
        }
        const char* run = at;
        while (at < end && !special_[static_cast<uint8_t>(*at)]) {
            ++at;
        }
        if (at != run) {
            take({run, static_cast<size_t>(at - run)});
            // Text after a closing quote: the field is no RFC 4180 field any more.
            bad_quote_ = bad_quote_ || place_ == Place::quote_in_quoted;
            if (place_ != Place::quoted) {
                place_ = Place::plain;
            }
            if (at == end) {
                break;
            }
        }
        const char c = *at++;
        if (c == '\n' || c == '\r') {
            after_cr_ = c == '\r';
            line_end();
            if (place_ == Place::quoted) {
                take({&c, 1});
            } else {
                RH_TRY(end_record());
            }
            if (refused_ && line_ > range_->last) {
                RH_TRY(end_refused_lines());
            }
            continue;
        }
        take({&c, 1});
        if (c == '"') {
            switch (place_) {
                case Place::field_start:
                case Place::quote_in_quoted:
                    place_ = Place::quoted;
                    break;
                case Place::quoted:
                    place_ = Place::quote_in_quoted;
                    break;
                case Place::record_start:
                case Place::plain:
                    bad_quote_ = true;
                    break;
            }
        } else if (place_ != Place::quoted) {  // a delimiter
            ++fields_;
            place_ = Place::field_start;
        }
    }
    return {};
}

Result<void> RecordScanner::finish() {
    if (place_ != Place::record_start) {
        bad_quote_ = bad_quote_ || place_ == Place::quoted;  // never closed
        ++counts_.lines;
        RH_TRY(end_record());
    }
    if (refused_) {
        RH_TRY(end_refused_lines());
    }
    if (!counts_.header) {
        return fail(ErrorKind::invalid_content, "empty_file",
                    "The file has no header and no rows.");
    }
    return flush(0);
}

std::optional<char> find_delimiter(std::string_view utf8_head) {
    const size_t begin = utf8_head.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) {
        return std::nullopt;
    }
    // Blanks before the first name are its line's own.
    utf8_head.remove_prefix(utf8_head.substr(0, begin).find_last_of("\r\n") + 1);
    const std::string_view line = utf8_head.substr(0, utf8_head.find_first_of("\r\n"));
    std::optional<char> best;
    size_t best_known = 0;
    for (const char delimiter : {',', ';', '\t', '|'}) {
        const auto fields = split_record(line, delimiter);
        const auto known = static_cast<size_t>(std::ranges::count_if(
            fields, [](const std::string& field) { return is_known(normalised(field)); }));
        if (known > best_known && known > 1) {
            best = delimiter;
            best_known = known;
        }
    }
    return best;
}

}  // namespace rh::reconcile
