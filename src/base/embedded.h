// Text files of the source tree that are compiled into the program (cmake/rh_embed.cmake).
#pragma once

#include <span>
#include <string_view>

namespace rh {

struct EmbeddedFile {
    std::string_view name;  // without directories
    std::string_view text;
};

}  // namespace rh
