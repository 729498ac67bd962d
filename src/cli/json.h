// Reading answers of the API leniently: a member that is missing, null or of another type is an
// empty text, zero or an empty object. And writing JSON. Pure; any thread.
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
// text_at() without what would move a terminal's cursor: for people.
std::string shown_at(const boost::json::object& object, std::string_view name);
uint64_t count_at(const boost::json::object& object, std::string_view name);
bool flag_at(const boost::json::object& object, std::string_view name);
const boost::json::object& object_at(const boost::json::object& object, std::string_view name);
// The warnings of an upload or a reconciliation, and the first one of a code; null: there is none.
std::vector<const boost::json::object*> warnings_of(const boost::json::object& answer);
const boost::json::object* find_warning(const boost::json::object& answer, std::string_view code);

// On one line, and no terminal obeys anything in it: DEL and U+0080 to U+009F are escaped, too.
std::string json_text(const boost::json::value& value);
std::string json_text(const boost::json::object& object);

}  // namespace rh::cli
