#include "base/json_string.h"

#include <iterator>

#include <fmt/format.h>

#include "base/utf8.h"

namespace rh {

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    size_t plain = 0;  // where the characters begin that go into `out` as they are
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool escaped = byte == '"' || byte == '\\';
        const bool is_c1 = begins_with_c1(text.substr(i));
        if (!escaped && !is_c1 && byte >= 0x20 && byte != 0x7f) {
            continue;
        }
        out += text.substr(plain, i - plain);
        if (escaped) {
            out += '\\';
            out += text[i];
        } else {
            i += is_c1 ? 1 : 0;
            fmt::format_to(std::back_inserter(out), "\\u{:04x}",
                           static_cast<unsigned char>(text[i]));
        }
        plain = i + 1;
    }
    out += text.substr(plain);
    out += '"';
}

}  // namespace rh
