// Quotes of one field (RFC 4180). The scan decides where fields end; this decides what they hold.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "csv/swar.h"

namespace rh::csv {

// Memory for unquoted text, good for one record.
class Scratch {
  public:
    // Room for the fields of a record of that size; forgets what was there before.
    void begin(size_t record_bytes);
    char* at() { return bytes_.data() + used_; }
    void take(size_t bytes) { used_ += bytes; }

  private:
    std::vector<char> bytes_;
    size_t used_ = 0;
};

// Whether `text` has a quote. It must have 8 readable bytes behind it.
inline bool has_quote(std::string_view text) {
    const char* p = text.data();
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        if (zero_bytes(load8(p + i) ^ repeat_byte('"')) != 0) {
            return true;
        }
    }
    // What stands behind the field is shifted out.
    const size_t rest = text.size() - i;
    return rest > 0 && zero_bytes(load8(p + i) ^ repeat_byte('"')) << (64 - 8 * rest) != 0;
}

// `field` must have kFieldSlack readable bytes behind it. Takes the quotes off: `field` becomes the
// text, which points into the field or into `scratch`. False if a quote stands where none may
// (`field` is left as it was). A field that is never closed is not known here: its opening quote
// alone makes it false.
bool unquote(std::string_view& field, Scratch& scratch);

}  // namespace rh::csv
