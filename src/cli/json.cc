#include "cli/json.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace rh::cli {

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

}  // namespace rh::cli
