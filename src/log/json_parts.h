// Totals and other parts of manifests ↔ JSON. What is parsed is not trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "model/totals.h"

namespace rh::log {

// {"rows": N, "real_amount_bet": "12.50", …}
boost::json::object totals_json(const model::Totals& totals);

// Getters of parts that may be missing or of another type; the first that is makes `good` false.
struct Parts {
    bool good = true;

    const boost::json::value& get(const boost::json::object& object, std::string_view key) {
        static const boost::json::value kNone;
        const boost::json::value* found = object.if_contains(key);
        good = good && found != nullptr;
        return found != nullptr ? *found : kNone;
    }
    const boost::json::object& object(const boost::json::value& value) {
        static const boost::json::object kNone;
        good = good && value.is_object();
        return value.is_object() ? value.get_object() : kNone;
    }
    const boost::json::array& array(const boost::json::value& value) {
        static const boost::json::array kNone;
        good = good && value.is_array();
        return value.is_array() ? value.get_array() : kNone;
    }
    std::string text(const boost::json::value& value) {
        good = good && value.is_string();
        return value.is_string() ? std::string(value.get_string()) : std::string();
    }
    int64_t number(const boost::json::value& value) {
        good = good && value.is_int64();
        return value.is_int64() ? value.get_int64() : 0;
    }
    uint64_t count(const boost::json::value& value) {
        const int64_t signed_count = number(value);
        good = good && signed_count >= 0;
        return static_cast<uint64_t>(signed_count);
    }
};

model::Totals get_totals(Parts& parts, const boost::json::object& object);

}  // namespace rh::log
