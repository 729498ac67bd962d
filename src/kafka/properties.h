// A file of librdkafka's settings: name=value lines, # comments, blank lines. Pure.
#pragma once

#include <string_view>

#include "base/result.h"
#include "kafka/client.h"

namespace rh::kafka {

// Error invalid_request kafka_setting, with the line, if one is none of these.
Result<Settings> parse_properties(std::string_view text);

}  // namespace rh::kafka
