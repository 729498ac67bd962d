// Reading answers of the API leniently: a member that is missing, null or of another type is an
// empty text, zero or an empty object. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace rh::cli {

// Numbers and true/false as they are written; null and objects are empty.
std::string text_of(const boost::json::value& value);
std::string text_at(const boost::json::object& object, std::string_view name);
uint64_t count_at(const boost::json::object& object, std::string_view name);
bool flag_at(const boost::json::object& object, std::string_view name);
const boost::json::object& object_at(const boost::json::object& object, std::string_view name);
// The warnings of an upload or a reconciliation, and the first one of a code; null: there is none.
std::vector<const boost::json::object*> warnings_of(const boost::json::object& answer);
const boost::json::object* find_warning(const boost::json::object& answer, std::string_view code);

}  // namespace rh::cli
