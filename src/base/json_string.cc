#include "base/json_string.h"

#include <iterator>

#include <fmt/format.h>

namespace rh {

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    size_t plain = 0;  // where the characters begin that go into `out` as they are
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool escaped = c == '"' || c == '\\';
        if (!escaped && static_cast<unsigned char>(c) >= 0x20) {
            continue;
        }
        out += text.substr(plain, i - plain);
        plain = i + 1;
        if (escaped) {
            out += '\\';
            out += c;
        } else {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        }
    }
    out += text.substr(plain);
    out += '"';
}

}  // namespace rh
