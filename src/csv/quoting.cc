#include "csv/quoting.h"

#include "csv/fields.h"

namespace rh::csv {

void Scratch::begin(size_t record_bytes) {
    used_ = 0;
    if (bytes_.size() < record_bytes + kFieldSlack) {
        bytes_.resize(record_bytes + kFieldSlack);
    }
}

bool unquote(std::string_view& field, Scratch& scratch) {
    if (field.empty() || field.front() != '"') {
        return !has_quote(field);
    }
    if (field.size() < 2 || field.back() != '"') {
        return false;
    }
    const std::string_view inner = field.substr(1, field.size() - 2);
    if (!has_quote(inner)) {
        field = inner;
        return true;
    }
    char* const begin = scratch.at();
    char* to = begin;
    for (size_t i = 0; i < inner.size(); ++i) {
        if (inner[i] == '"') {
            ++i;
            if (i == inner.size() || inner[i] != '"') {
                return false;
            }
        }
        *to++ = inner[i];
    }
    const auto size = static_cast<size_t>(to - begin);
    scratch.take(size);
    field = {begin, size};
    return true;
}

}  // namespace rh::csv
