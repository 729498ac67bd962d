// A refused row is data: where it is, and everything that is wrong with it. The codes are a closed
// list; one word serves C++, API, docs and metrics. csv/ makes rejects, receive/ writes them to the
// upload's reject file, the API pages through that file.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rh::model {

// X(code, what it means and what to do about it)
#define RH_REJECT_CODES(X)                                                                        \
    X(field_count,                                                                                \
      "The row has fewer or more fields than the header; check its delimiters and quotes.")       \
    X(bad_quote,                                                                                  \
      "A quote stands inside an unquoted field or text follows a closing quote; double the "      \
      "quotes inside a quoted field.")                                                            \
    X(unclosed_quote,                                                                             \
      "A quote is opened and never closed, so the rest of the file is one field; close it and "   \
      "send the file again.")                                                                     \
    X(line_too_long,                                                                              \
      "The record is longer than the limit; check it for a missing line end or quote.")           \
    X(invalid_encoding,                                                                           \
      "Bytes of the row are not valid in the file's encoding; export the file again or name its " \
      "encoding.")                                                                                \
    X(bad_timestamp,                                                                              \
      "Not a date and time; write YYYY-MM-DD HH:MM:SS, with at most 9 fraction digits and Z or "  \
      "an offset.")                                                                               \
    X(timestamp_out_of_range, "The date is outside 1970 to 2105; correct it.")                    \
    X(bad_integer, "Not a whole number; write digits only.")                                      \
    X(integer_out_of_range, "The number is negative or above 9223372036854775807; correct it.")   \
    X(missing_value, "The field is empty and must have a value.")                                 \
    X(text_too_long,                                                                              \
      "The text is longer than the column allows: 128 characters for user_id, 256 for names.")    \
    X(control_character, "The text has a control character; remove it.")                          \
    X(bad_decimal,                                                                                \
      "Not a decimal number; write digits with a point, without thousands separators or "         \
      "currency.")                                                                                \
    X(decimal_out_of_range, "More than 12 digits before the point; correct the amount.")          \
    X(decimal_too_precise,                                                                        \
      "More than 6 digits after the point; amounts are never rounded, so send what was booked.")  \
    X(negative_amount,                                                                            \
      "The amount is negative; send allow_negative=true if the file holds corrections.")          \
    X(empty_amount,                                                                               \
      "There is no amount, and the upload asked to refuse such rows (empty_amount=reject).")

enum class RejectCode : uint8_t {
#define RH_REJECT_ENUMERATOR(code, text) code,
    RH_REJECT_CODES(RH_REJECT_ENUMERATOR)
#undef RH_REJECT_ENUMERATOR
};

inline constexpr std::array kRejectCodeNames = {
#define RH_REJECT_NAME(code, text) std::string_view(#code),
    RH_REJECT_CODES(RH_REJECT_NAME)
#undef RH_REJECT_NAME
};

inline constexpr std::array kRejectCodeMeanings = {
#define RH_REJECT_MEANING(code, text) std::string_view(text),
    RH_REJECT_CODES(RH_REJECT_MEANING)
#undef RH_REJECT_MEANING
};

constexpr std::string_view name(RejectCode code) {
    return kRejectCodeNames[static_cast<size_t>(code)];
}
constexpr std::string_view meaning(RejectCode code) {
    return kRejectCodeMeanings[static_cast<size_t>(code)];
}

inline constexpr size_t kFaultValueCharactersMax = 256;

struct Fault {
    RejectCode code{};
    int8_t column = -1;  // index into kColumnNames; -1: the row as a whole
    std::string value;  // what stood there, cut at kFaultValueCharactersMax characters, valid UTF-8
    std::string detail;  // a sentence for a person
};

struct Reject {
    uint64_t line = 0;          // first physical line of the record, from 1, header included
    uint64_t line_last = 0;     // last physical line of the record
    uint64_t row = 0;           // row number: ordinal of the record among records, from 1
    std::vector<Fault> faults;  // never empty
};

}  // namespace rh::model
