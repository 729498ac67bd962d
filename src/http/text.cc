#include "http/text.h"

#include <algorithm>

#include "base/trim.h"
#include "base/utf8.h"

namespace rh::http {
namespace {

constexpr size_t kFilenameBytesMax = 255;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Splits at `separator` outside of "quotes".
std::vector<std::string_view> split_unquoted(std::string_view value, char separator) {
    std::vector<std::string_view> parts;
    size_t begin = 0;
    bool quoted = false;
    for (size_t i = 0; i < value.size(); ++i) {
        if (quoted && value[i] == '\\') {
            ++i;
        } else if (value[i] == '"') {
            quoted = !quoted;
        } else if (value[i] == separator && !quoted) {
            parts.push_back(trim_blanks(value.substr(begin, i - begin)));
            begin = i + 1;
        }
    }
    parts.push_back(trim_blanks(value.substr(begin)));
    return parts;
}

std::string unquote(std::string_view text) {
    if (text.size() < 2 || !text.starts_with('"') || !text.ends_with('"')) {
        return std::string(text);
    }
    text = text.substr(1, text.size() - 2);
    std::string plain;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
            ++i;
        }
        plain += text[i];
    }
    return plain;
}

}  // namespace

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool is_token_character(char c) {
    return is_alphanumeric(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

std::string to_lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower);
    return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::vector<std::string_view> list_items(std::string_view value) {
    auto items = split_unquoted(value, ',');
    std::erase_if(items, [](std::string_view item) { return item.empty(); });
    return items;
}

bool has_list_item(std::string_view value, std::string_view item) {
    return std::ranges::any_of(list_items(value), [&](std::string_view candidate) {
        return equal_ignoring_case(candidate, item);
    });
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
    std::string plain;
    plain.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_blank) {
            plain += ' ';
        } else if (text[i] != '%') {
            plain += text[i];
        } else {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            plain += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return plain;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        if (is_alphanumeric(c) || std::string_view("-._~").contains(c)) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += '%';
            encoded += kHex[byte >> 4];
            encoded += kHex[byte & 15];
        }
    }
    return encoded;
}

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
    std::optional<std::string> plain;
    const auto parts = split_unquoted(value, ';');
    for (size_t i = 1; i < parts.size(); ++i) {
        const size_t equals = parts[i].find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        const std::string_view key = trim_blanks(parts[i].substr(0, equals));
        const std::string_view raw = trim_blanks(parts[i].substr(equals + 1));
        if (key.ends_with('*') && equal_ignoring_case(key.substr(0, key.size() - 1), name)) {
            const size_t language = raw.find('\'');
            const size_t text = language == std::string_view::npos ? std::string_view::npos
                                                                   : raw.find('\'', language + 1);
            if (text != std::string_view::npos &&
                equal_ignoring_case(raw.substr(0, language), "utf-8")) {
                const auto decoded = percent_decode(raw.substr(text + 1), false);
                if (decoded && is_valid_utf8(*decoded)) {
                    return decoded;
                }
            }
        } else if (!plain && equal_ignoring_case(key, name)) {
            plain = unquote(raw);
        }
    }
    return plain;
}

std::string media_type(std::string_view value) {
    return to_lower(trim_blanks(value.substr(0, value.find(';'))));
}

std::string safe_filename(std::string_view name) {
    const size_t slash = name.find_last_of("/\\");
    if (slash != std::string_view::npos) {
        name.remove_prefix(slash + 1);
    }
    std::string safe = to_valid_utf8(name);
    std::erase_if(safe, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (safe.size() > kFilenameBytesMax) {
        size_t end = kFilenameBytesMax;
        while (end > 0 && (static_cast<unsigned char>(safe[end]) & 0xc0) == 0x80) {
            --end;
        }
        safe.resize(end);
    }
    return safe == "." || safe == ".." ? std::string() : safe;
}

}  // namespace rh::http
