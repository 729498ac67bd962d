// Names and constants of the embedded log on disk; docs/formats/log.md.
#pragma once

#include <cstdint>
#include <string_view>

namespace rh::log {

inline constexpr std::string_view kStagingSuffix = "-staging";  // DIR-staging, beside DIR
inline constexpr std::string_view kRowsFile = "rows-000000.avro";
inline constexpr std::string_view kManifestFile = "manifest.jsonl";
// Of directories in DIR-staging, behind an upload's id.
inline constexpr std::string_view kReplacedSuffix = ".replaced";  // was published, of a lower epoch
inline constexpr std::string_view kRemovedSuffix = ".removed";    // is being removed

inline constexpr std::string_view kManifestFormat = "roundhouse-log-manifest";
inline constexpr int64_t kManifestVersion = 1;

}  // namespace rh::log
