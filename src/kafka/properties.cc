#include "kafka/properties.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/trim.h"

namespace rh::kafka {
Result<Settings> parse_properties(std::string_view text) {
    Settings settings;
    for (size_t number = 1; !text.empty(); ++number) {
        const size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trim_blanks(text.substr(0, end), kBlanksAndLineEnds);
        text.remove_prefix(std::min(text.size(), end + 1));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const size_t equals = line.find('=');
        if (equals == std::string_view::npos ||
            trim_blanks(line.substr(0, equals), kBlanksAndLineEnds).empty()) {
            // The line may hold a password.
            return fail(ErrorKind::invalid_request, "kafka_setting",
                        fmt::format("Line {} is not name=value.", number));
        }
        settings.emplace_back(trim_blanks(line.substr(0, equals), kBlanksAndLineEnds),
                              trim_blanks(line.substr(equals + 1), kBlanksAndLineEnds));
    }
    return settings;
}

}  // namespace rh::kafka
