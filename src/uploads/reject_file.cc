#include "uploads/reject_file.h"

#include <algorithm>
#include <charconv>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "model/row_batch.h"

namespace rh::uploads {
namespace {

constexpr size_t kFlushBytes = 256 * 1024;
constexpr size_t kReadBytes = 256 * 1024;

void append_number(std::string& out, uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    out.append(digits, end.ptr);
}

// Text is valid UTF-8 (model/reject.h), so only quotes, backslashes and controls are escaped.
void append_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    size_t plain = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        out.append(text, plain, i - plain);
        plain = i + 1;
        if (c >= 0x20) {
            out += '\\';
            out += text[i];
        } else {
            out += "\\u00";
            out += kHex[c >> 4];
            out += kHex[c & 15];
        }
    }
    out.append(text, plain);
    out += '"';
}

std::unexpected<Error> bad_cursor() {
    return fail(ErrorKind::invalid_request, "bad_cursor",
                "The cursor is not one of this list. Start again without a cursor.");
}

Result<model::Reject> parse_line(std::string_view line) {
    namespace json = boost::json;
    const auto damaged = [] {
        return fail(ErrorKind::internal, "rejects_damaged",
                    "The stored list of rejects is damaged. Send the file again as a dry run to "
                    "get a new one.");
    };
    boost::system::error_code error;
    const json::value document = json::parse(line, error);
    const json::object* object = error ? nullptr : document.if_object();
    const json::value* list = object == nullptr ? nullptr : object->if_contains("faults");
    if (list == nullptr || !list->is_array()) {
        return damaged();
    }
    const auto number = [object](std::string_view key) -> uint64_t {
        const json::value* found = object->if_contains(key);
        boost::system::error_code not_a_number;
        return found == nullptr ? 0 : found->to_number<uint64_t>(not_a_number);
    };
    model::Reject reject;
    reject.line = number("line");
    reject.line_last = number("line_last");
    reject.row = number("row");
    for (const json::value& entry : list->get_array()) {
        const json::object* fault = entry.if_object();
        const auto text = [fault](std::string_view key) -> std::string {
            const json::value* found = fault == nullptr ? nullptr : fault->if_contains(key);
            const json::string* string = found == nullptr ? nullptr : found->if_string();
            return string == nullptr ? std::string() : std::string(*string);
        };
        const std::string code = text("code");
        const auto* const known = std::ranges::find(model::kRejectCodeNames, code);
        if (known == model::kRejectCodeNames.end()) {
            return damaged();
        }
        const std::string column = text("column");
        const auto* const at = std::ranges::find(model::kColumnNames, column);
        reject.faults.push_back(
            {.code = static_cast<model::RejectCode>(known - model::kRejectCodeNames.begin()),
             .column = at == model::kColumnNames.end()
                           ? int8_t{-1}
                           : static_cast<int8_t>(at - model::kColumnNames.begin()),
             .value = text("value"),
             .detail = text("detail")});
    }
    return reject;
}

}  // namespace

void append_reject_line(std::string& out, const model::Reject& reject) {
    out += "{\"line\":";
    append_number(out, reject.line);
    out += ",\"line_last\":";
    append_number(out, reject.line_last);
    out += ",\"row\":";
    append_number(out, reject.row);
    out += ",\"faults\":[";
    bool first = true;
    for (const model::Fault& fault : reject.faults) {
        out += first ? "{\"column\":" : ",{\"column\":";
        first = false;
        if (fault.column < 0) {
            out += "null";
        } else {
            append_string(out, model::kColumnNames[static_cast<size_t>(fault.column)]);
        }
        out += ",\"code\":\"";
        out += model::name(fault.code);
        out += "\",\"value\":";
        append_string(out, fault.value);
        out += ",\"detail\":";
        append_string(out, fault.detail);
        out += '}';
    }
    out += "]}\n";
}

Result<RejectWriter> RejectWriter::create(const std::string& path) {
    RH_ASSIGN(io::File file, io::File::create(path));
    return RejectWriter(std::move(file));
}

Result<void> RejectWriter::add(std::span<const model::Reject> rejects) {
    for (const model::Reject& reject : rejects) {
        append_reject_line(pending_, reject);
        if (pending_.size() >= kFlushBytes) {
            RH_TRY(file_.write_all(pending_));
            pending_.clear();
        }
    }
    return {};
}

Result<void> RejectWriter::finish() {
    RH_TRY(file_.write_all(pending_));
    pending_.clear();
    RH_TRY(file_.sync());
    return file_.close();
}

Result<RejectReader> RejectReader::open(const std::string& path, uint64_t offset) {
    RejectReader reader;
    reader.offset_ = offset;
    if (!io::exists(path)) {
        return offset == 0 ? Result<RejectReader>(std::move(reader)) : bad_cursor();
    }
    RH_ASSIGN(io::File file, io::File::open_read(path));
    if (offset > 0) {
        // A good cursor stands behind a line's end.
        char before = '\0';
        RH_ASSIGN(const size_t got, file.pread(std::span(&before, 1), offset - 1));
        if (got != 1 || before != '\n') {
            return bad_cursor();
        }
        RH_TRY(file.seek(offset));
    }
    reader.file_.push_back(std::move(file));
    return reader;
}

Result<bool> RejectReader::next_line(std::string_view& line) {
    size_t searched = taken_;
    while (true) {
        const size_t end = buffer_.find('\n', searched);
        if (end != std::string::npos) {
            line = std::string_view(buffer_).substr(taken_, end - taken_);
            return true;
        }
        if (file_.empty()) {
            return false;
        }
        buffer_.erase(0, taken_);
        taken_ = 0;
        searched = buffer_.size();
        buffer_.resize(searched + kReadBytes);
        const auto got = file_.front().read(std::span(buffer_).subspan(searched));
        buffer_.resize(searched + got.value_or(0));
        RH_TRY(got);
        if (*got == 0) {
            return false;  // what is left is a line that is still being written
        }
    }
}

Result<void> RejectReader::next(size_t limit, std::vector<StoredReject>& page) {
    page.clear();
    while (page.size() < limit) {
        std::string_view line;
        RH_ASSIGN(const bool found, next_line(line));
        if (!found) {
            return {};
        }
        RH_ASSIGN(model::Reject reject, parse_line(line));
        page.push_back({.json = std::string(line), .reject = std::move(reject)});
        taken_ += line.size() + 1;
        offset_ += line.size() + 1;
    }
    return {};
}

Result<bool> RejectReader::at_end() {
    std::string_view line;
    RH_ASSIGN(const bool found, next_line(line));
    return !found;
}

}  // namespace rh::uploads
