#include "base/harmless.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace rh {
namespace {

// What the first character of `text` is shown as; empty: as it is. `length` becomes its bytes.
std::string escape_of(std::string_view text, size_t& length) {
    const auto first = static_cast<unsigned char>(text[0]);
    length = utf8_sequence_length(text);
    if (first == '\n' || first == '\r' || first == '\t') {
        return first == '\n' ? "\\n" : first == '\r' ? "\\r" : "\\t";
    }
    if (length == 0 || first < 0x20 || first == 0x7f) {
        length = 1;
        return fmt::format("\\x{:02x}", first);
    }
    return begins_with_c1(text) ? fmt::format("\\u{:04x}", static_cast<unsigned char>(text[1]))
                                : "";
}

}  // namespace

std::string harmless(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        size_t length = 0;
        const std::string escape = escape_of(text, length);
        out += escape.empty() ? text.substr(0, length) : escape;
        text.remove_prefix(length);
    }
    return out;
}

std::string harmless_lines(std::string_view text) {
    std::string out;
    size_t line = 0;  // its beginning
    for (size_t at = text.find("\n  "); at != std::string_view::npos;
         at = text.find("\n  ", line)) {
        out += harmless(text.substr(line, at - line)) + '\n';
        line = at + 1;
    }
    return out + harmless(text.substr(line));
}

std::string quoted_if_needed(std::string_view text) {
    const bool plain = !text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos;
    if (plain && harmless(text) == text) {
        return std::string(text);
    }
    std::string escaped;
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            escaped += '\\';
        }
        escaped += c;
    }
    return '"' + harmless(escaped) + '"';
}

}  // namespace rh
