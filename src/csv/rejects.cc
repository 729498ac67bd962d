#include "csv/rejects.h"

#include <charconv>

#include "csv/utf8.h"
#include "model/row_batch.h"

namespace rh::csv {
namespace {

using model::RejectCode;

void append_number(std::string& text, size_t number) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    text.append(digits.data(), end);
}

bool only(std::string_view text, std::string_view allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

// A sentence that fits this value better than the code's own; empty: there is none.
std::string_view particular(RejectCode code, std::string_view value) {
    if (code == RejectCode::bad_decimal) {
        if (only(value, "+-0123456789,.") && value.find(',') != std::string_view::npos) {
            return "A comma is no decimal point here; write the amount with a point and without "
                   "thousands separators.";
        }
        if (value == "nan" || value == "NAN" || value == "Null" || value == "None" ||
            value == "NA" || value == "N/A") {
            return "Not one of the words for no amount; leave the field empty, or write NaN, null, "
                   "NULL or \\N.";
        }
    }
    if (code == RejectCode::bad_integer && only(value, "0123456789.") && value.ends_with(".0")) {
        return "A whole number must not have a decimal point; export the column as an integer.";
    }
    return {};
}

}  // namespace

void RejectPool::begin(uint64_t line, uint64_t line_last, uint64_t row) {
    if (count_ == pool_.size()) {
        pool_.emplace_back();
    }
    model::Reject& reject = pool_[count_];
    reject.line = line;
    reject.line_last = line_last;
    reject.row = row;
    faults_ = 0;
}

model::Fault& RejectPool::next_fault(RejectCode code, int column, std::string_view value) {
    auto& faults = pool_[count_].faults;
    if (faults_ == faults.size()) {
        faults.emplace_back();
    }
    model::Fault& fault = faults[faults_++];
    fault.code = code;
    fault.column = static_cast<int8_t>(column);
    printable_prefix(value, model::kFaultValueCharactersMax, fault.value);
    ++given_[static_cast<size_t>(code)];
    return fault;
}

void RejectPool::add_fault(RejectCode code, int column, std::string_view value) {
    model::Fault& fault = next_fault(code, column, value);
    const std::string_view own = particular(code, value);
    fault.detail.assign(own.empty() ? model::meaning(code) : own);
}

void RejectPool::add_field_count(size_t fields, size_t expected, std::string_view record) {
    model::Fault& fault = next_fault(RejectCode::field_count, -1, record);
    fault.detail.assign("The row has ");
    append_number(fault.detail, fields);
    fault.detail.append(fields == 1 ? " field, the header has " : " fields, the header has ");
    append_number(fault.detail, expected);
    fault.detail.append("; check its delimiters and quotes.");
}

void RejectPool::end() {
    pool_[count_].faults.resize(faults_);
    ++count_;
}

}  // namespace rh::csv
