#include "api/csv_text.h"

#include <algorithm>

namespace rh::api {
namespace {

// [+-] digits [. digits] [e [+-] digits]
bool is_number(std::string_view text) {
    const auto skip_digits = [&text] {
        const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(end);
        return end;
    };
    const auto skip_sign = [&text] {
        if (text.starts_with('+') || text.starts_with('-')) {
            text.remove_prefix(1);
        }
    };
    skip_sign();
    size_t digits = skip_digits();
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        digits += skip_digits();
    }
    if (digits > 0 && (text.starts_with('e') || text.starts_with('E'))) {
        text.remove_prefix(1);
        skip_sign();
        digits = skip_digits();
    }
    return digits > 0 && text.empty();
}

}  // namespace

void append_csv_cell(std::string& out, std::string_view text, bool guard) {
    const bool formula = !text.empty() && std::string_view("=+-@\t\r").contains(text[0]);
    const bool quote = text.find_first_of(",\"\r\n\t") != std::string_view::npos;
    if (quote) {
        out += '"';
    }
    if (guard && formula && !is_number(text)) {
        out += '\'';
    }
    for (const char c : text) {
        out += c;
        if (c == '"') {
            out += '"';
        }
    }
    if (quote) {
        out += '"';
    }
}

}  // namespace rh::api
