#include "cli/json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/harmless.h"
#include "base/utf8.h"

namespace rh::cli {
namespace {

// They stand in strings only, as all that is not ASCII.
std::string without_controls(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    for (size_t i = 0; i < json.size(); ++i) {
        if (json[i] == 0x7f) {
            out += "\\u007f";
        } else if (begins_with_c1(json.substr(i))) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(json[++i]));
        } else {
            out += json[i];
        }
    }
    return out;
}

}  // namespace

std::string json_text(const boost::json::value& value) {
    return without_controls(boost::json::serialize(value));
}

std::string json_text(const boost::json::object& object) {
    return without_controls(boost::json::serialize(object));
}

std::string text_of(const boost::json::value& value) {
    if (value.is_string()) {
        return std::string(value.get_string());
    }
    return value.is_number() || value.is_bool() ? boost::json::serialize(value) : "";
}

std::string text_at(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value == nullptr ? "" : text_of(*value);
}

std::string shown_at(const boost::json::object& object, std::string_view name) {
    return harmless(text_at(object, name));
}

uint64_t count_at(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_number()) {
        return 0;
    }
    boost::system::error_code not_whole;
    const auto count = value->to_number<uint64_t>(not_whole);
    return not_whole ? 0 : count;
}

bool flag_at(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

const boost::json::object& object_at(const boost::json::object& object, std::string_view name) {
    static const boost::json::object kEmpty;
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

std::vector<const boost::json::object*> warnings_of(const boost::json::object& answer) {
    std::vector<const boost::json::object*> found;
    if (const auto* value = answer.if_contains("warnings"); value != nullptr && value->is_array()) {
        for (const auto& warning : value->get_array()) {
            if (warning.is_object()) {
                found.push_back(&warning.get_object());
            }
        }
    }
    return found;
}

const boost::json::object* find_warning(const boost::json::object& answer, std::string_view code) {
    for (const boost::json::object* warning : warnings_of(answer)) {
        if (text_at(*warning, "code") == code) {
            return warning;
        }
    }
    return nullptr;
}

}  // namespace rh::cli
